"""Reading the audit chain: who did what to which model, and whether anybody edited history."""

from __future__ import annotations

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


def history(control: ControlStore, subject: str | None = None, limit: int = 100) -> list[AuditRow]:
    """The newest rows first; those of one subject (a model, or `model/...`) if it is given."""
    query = sa.select(*(table.c[name] for name in AuditRow.__dataclass_fields__)).order_by(table.c.seq.desc()).limit(limit)
    if subject is not None:
        query = query.where((table.c.subject == subject) | table.c.subject.startswith(f"{subject}/", autoescape=True))
    with control.transaction() as connection:
        return [AuditRow(**row) for row in connection.execute(query).mappings()]
