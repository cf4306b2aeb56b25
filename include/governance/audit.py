"""Reading the audit chain: who did what to which model, and whether anybody edited history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.control import audit as table
from include.core.request import Json


@dataclass(frozen=True)
class AuditRow:
    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: Json

    def to_json(self) -> dict[str, Json]:
        return dict(vars(self))


def row_hash(control: ControlStore, seq: int) -> str:
    """The hash of a row of the chain; empty where there is no such row."""
    with control.transaction() as connection:
        return str(connection.execute(sa.select(table.c.hash).where(table.c.seq == seq)).scalar() or "")


@dataclass(frozen=True)
class Search:
    """What is looked for: all of it must hold. Texts are compared without regard to case."""

    subject: str = ""  # a model, or another subject, with all below it: "model" finds "model/..."
    actor: str = ""  # a part of the name
    action: str = ""  # its beginning: "rollout" finds "rollout.promote"
    since: str = ""  # UTC, ISO 8601, inclusive: "2026-11-01" or a moment
    until: str = ""  # exclusive
    text: str = ""  # a part of the detail, as JSON

    def where(self) -> Iterator[sa.ColumnElement[bool]]:
        if self.subject:
            yield (table.c.subject == self.subject) | table.c.subject.startswith(f"{self.subject}/", autoescape=True)
        if self.actor:
            yield table.c.actor.icontains(self.actor, autoescape=True)
        if self.action:
            yield table.c.action.istartswith(self.action, autoescape=True)
        if self.since:
            yield table.c.at >= self.since
        if self.until:
            yield table.c.at < self.until
        if self.text:
            yield sa.cast(table.c.detail, sa.Text).icontains(self.text, autoescape=True)


def search(control: ControlStore, wanted: Search, limit: int = 100) -> list[AuditRow]:
    """The newest rows first."""
    columns = (table.c[name] for name in AuditRow.__dataclass_fields__)
    query = sa.select(*columns).where(*wanted.where()).order_by(table.c.seq.desc()).limit(limit)
    with control.transaction() as connection:
        return [AuditRow(**row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True)
class Seen:
    """Which rows somebody may see: those about the owners of `names`; of those about nobody's model, with `rest`."""

    names: frozenset[str]
    hidden: frozenset[str] = frozenset()  # the owners whose rows they may not
    rest: bool = True

    def where(self, dialect: str) -> Iterator[sa.ColumnElement[bool]]:
        first = _first_part(dialect)
        if not self.rest:
            yield first.in_(sorted(self.names))
        elif self.hidden:
            yield first.not_in(sorted(self.hidden))


def _first_part(dialect: str) -> sa.ColumnElement[str]:
    """Of a subject, the part before its first slash."""
    if dialect == "postgresql":
        return sa.func.split_part(table.c.subject, "/", 1)
    with_slash = table.c.subject.concat("/")
    return sa.func.substr(table.c.subject, 1, sa.func.instr(with_slash, "/") - 1)


def search_page(control: ControlStore, wanted: Search, seen: Seen, before: int | None = None, limit: int = 50) -> list[AuditRow]:
    """The newest rows that are looked for and may be seen; of a next page those before a row's number."""
    columns = (table.c[name] for name in AuditRow.__dataclass_fields__)
    query = sa.select(*columns).where(*wanted.where(), *seen.where(control.engine.dialect.name))
    query = query.where(table.c.seq < before) if before is not None else query
    with control.transaction() as connection:
        rows = connection.execute(query.order_by(table.c.seq.desc()).limit(limit)).mappings()
        return [AuditRow(**row) for row in rows]


def acts_on(control: ControlStore, subject: str, actions: Sequence[str], limit: int) -> list[AuditRow]:
    """The newest rows about a subject, or what is below it, of some actions by their whole names."""
    query = sa.select(*(table.c[name] for name in AuditRow.__dataclass_fields__)).where(*Search(subject=subject).where())
    with control.transaction() as connection:
        rows = connection.execute(query.where(table.c.action.in_(actions)).order_by(table.c.seq.desc()).limit(limit)).mappings()
        return [AuditRow(**row) for row in rows]


def history(control: ControlStore, subject: str | None = None, limit: int = 100) -> list[AuditRow]:
    """The newest rows first; those of one subject (a model, or `model/...`) if it is given."""
    return search(control, Search(subject=subject or ""), limit)
