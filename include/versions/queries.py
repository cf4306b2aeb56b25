"""Reading the registered versions from the control store, which alone says what stage each is in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.core.errors import DataError
from include.core.nearest import nearest_number
from include.core.request import Ref
from include.versions.record import Stage, VersionRecord

LARGEST = 2**31 - 1  # of a version's column


def records(control: ControlStore, model: str) -> list[VersionRecord]:
    """Every version of a model, oldest first."""
    with control.transaction() as connection:
        rows = connection.execute(_of(model).order_by(versions.c.version))
        return [_record(row) for row in rows.mappings()]


def training_sets(control: ControlStore, model: str) -> list[tuple[int, str, str, Ref]]:
    """(version, stage, as of, training set) of every version that names its training set, oldest first."""
    with control.transaction() as connection:
        rows = connection.execute(_of(model).order_by(versions.c.version)).mappings().all()
    named = [(row, row["record"]["training_set"]) for row in rows if "training_set" in row["record"]]
    return [(row["version"], row["stage"], row["record"]["as_of"], Ref.from_json(made)) for row, made in named]


def find(control: ControlStore, key: str) -> VersionRecord | None:
    """The version of a registration key."""
    with control.transaction() as connection:
        row = connection.execute(sa.select(versions).where(versions.c.key == key)).mappings().first()
        return _record(row) if row else None


def newest(connection: sa.Connection, model: str) -> VersionRecord | None:
    """The version registered last; inside a transaction."""
    row = connection.execute(_of(model).order_by(versions.c.version.desc()).limit(1)).mappings().first()
    return _record(row) if row else None


def at_version(connection: sa.Connection, model: str, version: int) -> VersionRecord:
    """One version by its number; inside a transaction. Raises DataError."""
    return _record(require_version(connection, model, version))


def require_version(connection: sa.Connection, model: str, version: int) -> sa.RowMapping:
    """The row of a version, whatever release wrote it; inside a transaction. Raises DataError where there is none."""
    countable = 0 < version <= LARGEST  # a database refuses to compare with a larger one
    row = connection.execute(_of(model).where(versions.c.version == version)).mappings().first() if countable else None
    if row is None:
        known = connection.execute(sa.select(versions.c.version).where(versions.c.model == model)).scalars()
        raise DataError(
            f"There is no version {version} of {model}.",
            seen=version,
            safe="nothing was changed.",
            hint=f"{nearest_number(version, known, 'versions')} `slipstream versions {model}` shows more.",
        )
    return row


def champion(known: list[VersionRecord]) -> VersionRecord | None:
    """The version in production."""
    return next((record for record in reversed(known) if record.stage is Stage.PRODUCTION), None)


def stored_in(connection: sa.Connection, model: str) -> dict[int, Mapping[str, Any]]:
    """By number, ascending: the records as they are stored. One that an early release wrote may lack what `records` asks for."""
    rows = connection.execute(_of(model).order_by(versions.c.version)).mappings()
    return {row["version"]: row["record"] or {} for row in rows}


def record_in(connection: sa.Connection, model: str, version: int) -> dict[str, Any]:
    """The record of a version as it is stored, with its stage; of one that is not registered the stage alone, Archived."""
    query = sa.select(versions.c.record, versions.c.stage).where(versions.c.model == model, versions.c.version == version)
    row = connection.execute(query).first()
    return {**(row.record or {}), "stage": row.stage} if row is not None else {"stage": str(Stage.ARCHIVED)}


def stored(control: ControlStore, model: str, version: int) -> Mapping[str, Any]:
    """One such record. Raises DataError for a version that is not registered."""
    query = sa.select(versions.c.record).where(versions.c.model == model, versions.c.version == version)
    with control.transaction() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise DataError(f"{model} has no registered version {version}.", hint="register it before it is routed to.")
    found: Mapping[str, Any] = row.record or {}
    return found


@dataclass(frozen=True)
class Standing:
    """A version and where it stands."""

    model: str
    version: int
    semver: str
    stage: Stage
    gate: Mapping[str, Any] | None
    registered: str  # ISO 8601, UTC


def standings_in(connection: sa.Connection, *, model: str = "", stage: Stage | None = None) -> list[Standing]:
    """All versions, or those of one model or one stage; by model, then by number."""
    query = sa.select(versions).order_by(versions.c.model, versions.c.version)
    if model:
        query = query.where(versions.c.model == model)
    if stage is not None:
        query = query.where(versions.c.stage == str(stage))
    return [_standing(row) for row in connection.execute(query).mappings()]


REFERENCES = ("train", "training_set", "evaluation")  # of a version's record


def references(control: ControlStore) -> Iterator[tuple[str, int, str, Ref]]:
    """(model, version, name, result) of every result that a version of any model names."""
    with control.transaction() as connection:
        rows = connection.execute(sa.select(versions.c.model, versions.c.version, versions.c.record)).all()
    for row in rows:
        for name in REFERENCES:
            if name in row.record:
                yield row.model, row.version, name, Ref.from_json(row.record[name])


def models_in(connection: sa.Connection) -> set[str]:
    """The models that have a version."""
    return set(connection.execute(sa.select(versions.c.model).distinct()).scalars())


def _standing(row: sa.RowMapping) -> Standing:
    gate = (row["record"] or {}).get("gate")
    return Standing(row["model"], row["version"], row["semver"], Stage(row["stage"]), gate, row["at"])


def _of(model: str) -> sa.Select[Any]:
    return sa.select(versions).where(versions.c.model == model)


def _record(row: sa.RowMapping) -> VersionRecord:
    # The rollout moves the stage column in transactions of its own: the column is the truth.
    return VersionRecord.from_json({**row["record"], "stage": row["stage"]})
