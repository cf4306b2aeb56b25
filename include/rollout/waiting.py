"""Candidates that wait for their turn: which there are, and which will never have one.

An asset event is only a reason to look. Airflow makes one run of events that wait together, and forgets some of those that
arrive while a run is active; a version that is registered waits here whatever became of its event.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from include.core.control import ControlStore, audit, rollouts
from include.rollout.route import route_in
from include.versions.gate import offered_in
from include.versions.lifecycle import Stage, at_stage, move_in

SUPERSEDED = "version.superseded"  # the audit's word; its detail is {"version", "by", "reason"}


def waiting(control: ControlStore, model: str) -> list[int]:
    """Candidates that never had a rollout and are newer than the champion; the newest first."""
    with control.transaction() as connection:
        champion = route_in(connection, model)[1].champion or 0
        return [version for version in _without_a_turn(connection, model) if version > champion]


def supersede(control: ControlStore, model: str, actor: str) -> list[int]:
    """Archive the Candidates without a turn that are older than the champion, each with an audit row; says which."""
    with control.transaction() as connection:
        champion = route_in(connection, model)[1].champion
        return supersede_in(connection, control, model, champion, actor) if champion is not None else []


def supersede_in(connection: sa.Connection, control: ControlStore, model: str, champion: int, actor: str) -> list[int]:
    """The same, in the transaction that makes the champion one."""
    gone = [version for version in _without_a_turn(connection, model) if version < champion]
    for version in gone:
        move_in(connection, model, version, Stage.ARCHIVED)
        reason = f"version {champion} came into production before it had its turn"
        control.append_audit(connection, actor, SUPERSEDED, model, {"version": version, "by": champion, "reason": reason})
    return gone


def superseded_by(control: ControlStore, model: str, version: int) -> int | None:
    """The version that came into production before this one had its turn; None if that never happened."""
    with control.transaction() as connection:
        query = sa.select(audit.c.detail).where(audit.c.action == SUPERSEDED, audit.c.subject == model)
        found = [int(row.detail["by"]) for row in connection.execute(query) if row.detail["version"] == version]
    return found[-1] if found else None


def _without_a_turn(connection: sa.Connection, model: str) -> Iterable[int]:
    """Newest first. What a person has offered again waits for that person, not for its turn."""
    had = set(connection.execute(sa.select(rollouts.c.challenger).where(rollouts.c.model == model)).scalars())
    had |= offered_in(connection, model)
    return [version for version in reversed(at_stage(connection, model, Stage.CANDIDATE)) if version not in had]
