"""Bringing a registered version where a test wants it."""

from __future__ import annotations

from include.core.control import ControlStore
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
