"""Versions as people are shown them: with the override that brought one on.

It is no field of the record: the code of `include/versions/record.py` is part of the key of every day of features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.core.control import ControlStore
from include.versions.override import Override, overrides_in
from include.versions.queries import at_version, records
from include.versions.record import VersionRecord


@dataclass(frozen=True)
class ShownRecord(VersionRecord):
    """`override`: the newest that brought the version on against its gate; None where nobody gave one."""

    override: Override | None = None

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "override": self.override.to_json() if self.override else None}


def shown_records(control: ControlStore, model: str) -> list[ShownRecord]:
    """Every version of a model, oldest first."""
    with control.transaction() as connection:
        said = overrides_in(connection, model)
    return [_shown(record, said) for record in records(control, model)]


def shown_version(control: ControlStore, model: str, version: int) -> ShownRecord:
    """One version by its number. Raises DataError."""
    with control.transaction() as connection:
        return _shown(at_version(connection, model, version), overrides_in(connection, model))


def override_of(record: VersionRecord) -> Override | None:
    """Of a record that may be one that is shown."""
    return record.override if isinstance(record, ShownRecord) else None


def _shown(record: VersionRecord, said: dict[int, Override]) -> ShownRecord:
    return ShownRecord(**vars(record), override=said.get(record.version))
