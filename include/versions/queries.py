"""Reading the registered versions from the control store, which alone says what stage each is in."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, rollouts, versions
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
    countable = 0 < version <= LARGEST  # a database refuses to compare with a larger one
    row = connection.execute(_of(model).where(versions.c.version == version)).mappings().first() if countable else None
    if row is None:
        known = connection.execute(sa.select(versions.c.version).where(versions.c.model == model)).scalars()
        raise DataError(
            f"There is no version {version} of {model}.",
            seen=version,
            safe="nothing was changed.",
            hint=f"{nearest_number(version, known, 'versions')} `slipstream versions {model}` tells more.",
        )
    return _record(row)


def champion(known: list[VersionRecord]) -> VersionRecord | None:
    """The version in production."""
    return next((record for record in reversed(known) if record.stage is Stage.PRODUCTION), None)


def challenger(control: ControlStore, model: str) -> int | None:
    """The version that a live rollout is bringing in."""
    with control.transaction() as connection:
        return connection.execute(sa.select(rollouts.c.challenger).where(rollouts.c.live == model)).scalar()


def _of(model: str) -> sa.Select[Any]:
    return sa.select(versions).where(versions.c.model == model)


def _record(row: sa.RowMapping) -> VersionRecord:
    # The rollout moves the stage column in transactions of its own: the column is the truth.
    return VersionRecord.from_json({**row["record"], "stage": row["stage"]})
