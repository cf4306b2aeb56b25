"""Versions as people are shown them: with the override that brought one on.

It is no field of the record: the code of `include/versions/record.py` is part of the key of every day of features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore
from include.rollout_state.approval import deciders_in
from include.versions.given_up import GivenUp, given_up_in
from include.versions.hold import Hold, holds_in
from include.versions.override import Override, overrides_in
from include.versions.queries import at_version, records
from include.versions.record import VersionRecord


@dataclass(frozen=True)
class ShownRecord(VersionRecord):
    """`override`: the newest that brought the version on against its gate; None where nobody gave one. `promoted_by`: the persons
    who let it into production, where persons were asked. `given_up`: that it was, by the rule of its model. `held`: that a person
    keeps it whatever the rule says."""

    override: Override | None = None
    promoted_by: tuple[str, ...] = ()
    given_up: GivenUp | None = None
    held: Hold | None = None

    def to_json(self) -> dict[str, Any]:
        parts = {"override": self.override, "given_up": self.given_up, "held": self.held}
        told = {name: each.to_json() if each is not None else None for name, each in parts.items()}
        return {**super().to_json(), **told, "promoted_by": list(self.promoted_by)}


def shown_records(control: ControlStore, model: str) -> list[ShownRecord]:
    """Every version of a model, oldest first."""
    with control.transaction() as connection:
        told = _told(connection, model)
    return [told(record) for record in records(control, model)]


def shown_version(control: ControlStore, model: str, version: int) -> ShownRecord:
    """One version by its number. Raises DataError."""
    with control.transaction() as connection:
        return _told(connection, model)(at_version(connection, model, version))


def override_of(record: VersionRecord) -> Override | None:
    """Of a record that may be one that is shown."""
    return record.override if isinstance(record, ShownRecord) else None


def promoted_by(record: VersionRecord) -> tuple[str, ...]:
    """The same of the persons who let it into production."""
    return record.promoted_by if isinstance(record, ShownRecord) else ()


def given_up(record: VersionRecord) -> GivenUp | None:
    """The same of its giving up."""
    return record.given_up if isinstance(record, ShownRecord) else None


def _told(connection: sa.Connection, model: str) -> Callable[[VersionRecord], ShownRecord]:
    said, by = overrides_in(connection, model), deciders_in(connection, model)
    gone, held = given_up_in(connection, model), holds_in(connection, model)

    def shown(record: VersionRecord) -> ShownRecord:
        number = record.version
        return ShownRecord(
            **vars(record), override=said.get(number), promoted_by=by.get(number, ()), given_up=gone.get((model, number)),
            held=held.get(number),
        )  # fmt: skip

    return shown
