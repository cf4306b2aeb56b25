"""Staging → Candidate → Production → Archived: the one state machine of a version's stage.

Registration, the rollout, a rollback and a restore all move versions through `move_in`, in transactions of their own. The
column `stage` of `slipstream_versions` is the truth.
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from include.core.control import versions
from include.core.errors import ConflictError, DataError
from include.core.nearest import nearest_number


class Stage(StrEnum):
    STAGING = "Staging"  # registered; may not be rolled out (its gate is closed, or a backfill made it)
    CANDIDATE = "Candidate"  # may be rolled out
    PRODUCTION = "Production"  # the champion
    ARCHIVED = "Archived"  # was rolled back, or another version took its place


MOVES: dict[Stage, frozenset[Stage]] = {
    Stage.STAGING: frozenset({Stage.CANDIDATE, Stage.ARCHIVED}),
    Stage.CANDIDATE: frozenset({Stage.PRODUCTION, Stage.STAGING, Stage.ARCHIVED}),
    Stage.PRODUCTION: frozenset({Stage.ARCHIVED}),
    Stage.ARCHIVED: frozenset({Stage.CANDIDATE, Stage.PRODUCTION}),  # offered again; returned to
}


def allowed(current: Stage, wanted: Stage) -> bool:
    return current == wanted or wanted in MOVES[current]


def stage_in(connection: sa.Connection, model: str, version: int) -> Stage:
    """The stage of a version, which no other transaction changes until this one ends. Raises DataError for an unknown one."""
    query = sa.select(versions.c.stage).where(versions.c.model == model, versions.c.version == version)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update()
    found = connection.execute(query).scalar()
    if found is None:
        known = connection.execute(sa.select(versions.c.version).where(versions.c.model == model)).scalars().all()
        raise DataError(
            f"{model} has no registered version {version}.",
            safe="nothing was changed.",
            hint=f"{nearest_number(version, known, 'versions')} `slipstream versions {model}` shows more.",
        )
    return Stage(found)


def move_in(connection: sa.Connection, model: str, version: int, wanted: Stage) -> Stage:
    """Set a version's stage inside the caller's transaction, which writes the audit row; returns the stage before.

    Moving to where it stands changes nothing. Raises ConflictError on a move that is not allowed, DataError for an unknown
    version.
    """
    current = stage_in(connection, model, version)
    if not allowed(current, wanted):
        raise ConflictError(
            f"Version {version} of {model} cannot go from {current} to {wanted}.",
            safe="its stage is unchanged.",
            hint=f"allowed from {current}: {', '.join(sorted(MOVES[current]))}.",
        )
    mine = sa.and_(versions.c.model == model, versions.c.version == version)
    connection.execute(versions.update().where(mine).values(stage=str(wanted)))
    return current


def at_stage(connection: sa.Connection, model: str, stage: Stage) -> list[int]:
    """The numbers of a model's versions that are in a stage, ascending."""
    query = sa.select(versions.c.version).where(versions.c.model == model, versions.c.stage == str(stage))
    return list(connection.execute(query.order_by(versions.c.version)).scalars())


def set_production(connection: sa.Connection, model: str, version: int) -> None:
    """The version becomes Production and every other Production version Archived."""
    for other in at_stage(connection, model, Stage.PRODUCTION):
        if other != version:
            move_in(connection, model, other, Stage.ARCHIVED)
    move_in(connection, model, version, Stage.PRODUCTION)
