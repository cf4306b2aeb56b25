"""Versions that were given up by the rule of their model (`data.retention.versions`): their records stay, their files go.

It is no stage and no field of the record: the code of `include/versions/record.py` is part of the key of every day of features.
The document that says so is written in the transaction that saw that nobody needs the version (include/retention/versions.py).
Whoever would route to a version asks here in the transaction that does, so of the two one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.core.documents import Document, DocumentKind
from include.core.errors import DataError
from include.core.given_up import GivenUpMark
from include.core.json_types import Json
from include.core.request import Ref
from include.core.versioned import Format
from include.versions.queries import REFERENCES

GIVEN_UP = DocumentKind("given_up", Format("a version that was given up"))
ACT = "version.give_up"  # the audit's word


@dataclass(frozen=True)
class GivenUp:
    """`at`: when, `last`: when it was last of use; both UTC, ISO 8601. `rule`: in words. `by`: who ran `slipstream gc`.
    `dossier`: where the one lies that was made before; empty for none. `kept`: the numbers of its training set and evaluation."""

    model: str
    version: int
    at: str
    rule: str
    last: str
    by: str
    dossier: str
    kept: Mapping[str, Any]

    @property
    def words(self) -> str:
        """On one line."""
        return f"given up on {self.at[:10]} by {self.rule}"

    @property
    def mark(self) -> GivenUpMark:
        """What is left at its results."""
        return GivenUpMark(self.model, self.version, self.at, self.rule)

    def refusal(self) -> DataError:
        """What whoever wants to work with the version is told."""
        return DataError(
            f"Version {self.version} of {self.model} was {self.words}: it can never be served, offered or scored with again.",
            seen=f"last of use {self.last[:10]}",
            safe="nothing was changed: the traffic stays where it is, and the version's record and numbers are kept.",
            hint=f"name a version that is kept (slipstream versions {self.model}), or train {self.model} anew: that gets a new "
            f"number. What shall stay is held beforehand: slipstream hold {self.model} VERSION --reason WHY.",
        )

    def to_json(self) -> dict[str, Json]:
        """As versions are shown with it."""
        said = asdict(self)
        return {name: said[name] for name in ("at", "rule", "last", "by", "dossier")} | {"words": self.words}


def given_up_in(connection: sa.Connection, model: str = "") -> dict[tuple[str, int], GivenUp]:
    """By model and number: all that were given up, or those of one model."""
    found = GIVEN_UP.about_in(connection, model) if model else GIVEN_UP.since_in(connection, "")
    return {(each.model, each.version): each for each in map(_read, found)}


def one_in(connection: sa.Connection, model: str, version: int) -> GivenUp | None:
    """Of one version; None where it is kept."""
    found = GIVEN_UP.load_in(connection, [_key(model, version)])
    return _read(found[0]) if found else None


def one(control: ControlStore, model: str, version: int) -> GivenUp | None:
    """The same."""
    with control.transaction() as connection:
        return one_in(connection, model, version)


def require_kept_in(connection: sa.Connection, model: str, *numbers: int | None) -> None:
    """Raises DataError for versions that were given up. None of them is given up before the caller's transaction ends."""
    for version in sorted({number for number in numbers if number is not None}):
        lock_in(connection, model, version)
        if (gone := one_in(connection, model, version)) is not None:
            raise gone.refusal()


def require_kept(control: ControlStore, model: str, version: int) -> None:
    """The same, at this moment."""
    if (gone := one(control, model, version)) is not None:
        raise gone.refusal()


def lock_in(connection: sa.Connection, model: str, version: int) -> None:
    """Until the caller's transaction ends nobody else moves the version, or gives it up. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        mine = sa.and_(versions.c.model == model, versions.c.version == version)
        connection.execute(sa.select(versions.c.key).where(mine).with_for_update())


def give_up_in(connection: sa.Connection, model: str, version: int, body: Mapping[str, Any]) -> None:
    """Say so, in the transaction that has seen that nobody needs it; `body` as `GivenUp` has it."""
    GIVEN_UP.save_in(connection, _key(model, version), model, {"version": version, **body})


def registered_in(connection: sa.Connection, model: str) -> list[tuple[int, str]]:
    """Number and moment (UTC, ISO 8601) of each registration, oldest first: numbers may begin again where a model was deleted in
    the registry by hand."""
    query = sa.select(versions.c.version, versions.c.at).where(versions.c.model == model)
    return [(row.version, row.at) for row in connection.execute(query.order_by(versions.c.at, versions.c.version))]


def named_in(connection: sa.Connection) -> list[tuple[str, int, str, list[Ref]]]:
    """Model, number, registration key and results of every version."""
    rows = connection.execute(sa.select(versions.c.model, versions.c.version, versions.c.key, versions.c.record)).all()
    found = []
    for row in rows:
        refs = [Ref.from_json(row.record[name]) for name in REFERENCES if name in (row.record or {})]
        found.append((row.model, row.version, row.key, refs))
    return found


def _read(document: Document) -> GivenUp:
    body = document.body
    names = ("rule", "last", "by", "dossier", "kept")
    return GivenUp(document.subject, int(body["version"]), document.at, **{name: body[name] for name in names})


def _key(model: str, version: int) -> str:
    return f"given_up/{model}/{version}"
