"""Versions as people are shown them: with the override that brought one on.

It is no field of the record: the code of `include/versions/record.py` is part of the key of every day of features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.core.control import ControlStore
from include.rollout_state.approval import deciders_in
from include.versions.override import Override, overrides_in
from include.versions.queries import at_version, records
from include.versions.record import VersionRecord


@dataclass(frozen=True)
class ShownRecord(VersionRecord):
    """`override`: the newest that brought the version on against its gate; None where nobody gave one. `promoted_by`: the persons
    who let it into production, where persons were asked."""

    override: Override | None = None
    promoted_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        told = {"override": self.override.to_json() if self.override else None, "promoted_by": list(self.promoted_by)}
        return {**super().to_json(), **told}


def shown_records(control: ControlStore, model: str) -> list[ShownRecord]:
    """Every version of a model, oldest first."""
    with control.transaction() as connection:
        said, by = overrides_in(connection, model), deciders_in(connection, model)
    return [_shown(record, said, by) for record in records(control, model)]


def shown_version(control: ControlStore, model: str, version: int) -> ShownRecord:
    """One version by its number. Raises DataError."""
    with control.transaction() as connection:
        record = at_version(connection, model, version)
        return _shown(record, overrides_in(connection, model), deciders_in(connection, model))


def override_of(record: VersionRecord) -> Override | None:
    """Of a record that may be one that is shown."""
    return record.override if isinstance(record, ShownRecord) else None


def promoted_by(record: VersionRecord) -> tuple[str, ...]:
    """The same of the persons who let it into production."""
    return record.promoted_by if isinstance(record, ShownRecord) else ()


def _shown(record: VersionRecord, said: dict[int, Override], by: dict[int, tuple[str, ...]]) -> ShownRecord:
    return ShownRecord(**vars(record), override=said.get(record.version), promoted_by=by.get(record.version, ()))
