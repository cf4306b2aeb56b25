"""Bringing a registered version where a test wants it."""

from __future__ import annotations

import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.core.time import timestamp
from include.versions.lifecycle import Stage, move_in
from include.versions.queries import at_version
from include.versions.record import VersionRecord


def move(control: ControlStore, model: str, version: int, wanted: Stage, actor: str) -> VersionRecord:
    """Move one version in a transaction of its own, with the audit row that earlier releases wrote for it by hand.

    Raises ConflictError on a move that is not allowed, DataError for an unknown version.
    """
    with control.transaction() as connection:
        before = move_in(connection, model, version, wanted)
        if before != wanted:
            detail = {"version": version, "from": str(before), "to": str(wanted)}
            control.append_audit(connection, actor, "stage", model, detail)
        return at_version(connection, model, version)


def add_candidates(connection: sa.Connection, model: str, *numbers: int) -> None:
    """Candidates of which nothing is known but their numbers."""
    for number in numbers:
        row = {"key": f"k{number}", "model": model, "version": number, "semver": f"1.{number}.0", "record": {}, "at": timestamp()}
        connection.execute(versions.insert().values(stage=str(Stage.CANDIDATE), **row))
