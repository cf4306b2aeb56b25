"""Staging → Candidate → Production → Archived: which moves are allowed, and making one."""

from __future__ import annotations

import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.core.errors import ConflictError
from include.governance.version import Stage, VersionRecord
from include.governance.versions import at_version

MOVES: dict[Stage, frozenset[Stage]] = {
    Stage.STAGING: frozenset({Stage.CANDIDATE, Stage.ARCHIVED}),
    Stage.CANDIDATE: frozenset({Stage.PRODUCTION, Stage.STAGING, Stage.ARCHIVED}),
    Stage.PRODUCTION: frozenset({Stage.ARCHIVED}),
    Stage.ARCHIVED: frozenset({Stage.CANDIDATE, Stage.PRODUCTION}),  # offered again; restored by a rollback
}


def allowed(current: Stage, wanted: Stage) -> bool:
    return current == wanted or wanted in MOVES[current]


def move(control: ControlStore, model: str, version: int, wanted: Stage, actor: str) -> VersionRecord:
    """Set one version's stage, with an audit row. Moving to where it stands changes nothing.

    Raises ConflictError on a move that is not allowed.
    """
    with control.transaction() as connection:
        record = at_version(connection, model, version)
        if record.stage == wanted:
            return record
        if not allowed(record.stage, wanted):
            raise ConflictError(
                f"Version {version} of {model} cannot go from {record.stage} to {wanted}.",
                safe="its stage is unchanged.",
                hint=f"allowed from {record.stage}: {', '.join(sorted(MOVES[record.stage]))}.",
            )
        _write(connection, record.at(wanted))
        detail = {"version": version, "from": str(record.stage), "to": str(wanted)}
        control.append_audit(connection, actor, "stage", model, detail)
        return record.at(wanted)


def _write(connection: sa.Connection, record: VersionRecord) -> None:
    row = versions.update().where(versions.c.key == record.entry.key)
    connection.execute(row.values(stage=str(record.stage), record=record.to_json()))
