"""Offering a version again that had its turn: what stands against it, and the move back to Candidate.

A version is offered again by a person only, who says why: from the Models page, the command line, or by triggering the
rollout DAG with its number. Its newest evaluation must have left the gate open, or the person says that they know.
"""

from __future__ import annotations

import sqlalchemy as sa

from include.core.acts import acts_in
from include.core.control import ControlStore, rollouts
from include.core.errors import ConflictError, GateClosed
from include.routing.route import route_in
from include.versions.gate import OFFERED, RETURNED, obstacles
from include.versions.given_up import require_kept_in
from include.versions.lifecycle import Stage, move_in, stage_in
from include.versions.override import checked_reason


def offer_in(
    control: ControlStore, connection: sa.Connection, model: str, version: int, *, actor: str, reason: str, despite_gate: bool
) -> Stage:
    """Make it a Candidate in the caller's transaction, with an audit row; returns the stage before.

    A Candidate stays as it is. Raises GateClosed with the command that makes it possible, ConflictError for the champion,
    DataError for an unknown version, one that was given up, or an override that gives no reason.
    """
    before = stage_in(connection, model, version)
    require_kept_in(connection, model, version)
    if before is Stage.CANDIDATE:
        return before
    if before is Stage.PRODUCTION or route_in(connection, model)[1].champion == version:
        raise ConflictError(f"Version {version} of {model} is the champion already.", safe="nothing changed.")
    against = require_gate(connection, model, version, before, despite_gate)
    reason = checked_reason(reason, model, version) if against else reason
    move_in(connection, model, version, Stage.CANDIDATE)
    detail = {"version": version, "from": str(before), "reason": reason, "despite": list(against)}
    control.append_audit(connection, actor, OFFERED, model, detail)
    return before


def require_gate(connection: sa.Connection, model: str, version: int, stage: Stage, despite_gate: bool) -> tuple[str, ...]:
    """What stands against the version. Raises GateClosed where that is something and nobody said that they know."""
    against = obstacles(connection, model, version, stage)
    if against and not despite_gate:
        raise GateClosed(
            f"Version {version} of {model} is no Candidate, so it may not be rolled out: {'; '.join(against)}.",
            seen=str(stage),
            safe="nothing was changed: the traffic stays where it is.",
            hint=f"train again, or mend the gate and clear `evaluate` of its training run; to go on all the same, with a reason "
            f'that is audited: slipstream gate open {model} {version} --reason "..."; of a version that had its turn also '
            f'slipstream restore {model} {version} --despite-gate --reason "...".',
        )
    return against


def served_in(connection: sa.Connection, model: str) -> set[int]:
    """The versions that have been in production, at any time."""
    _, route = route_in(connection, model)
    query = sa.select(rollouts.c.challenger, rollouts.c.champion, rollouts.c.state).where(rollouts.c.model == model)
    found = {route.champion, route.previous}
    for row in connection.execute(query):
        found |= {row.champion, row.challenger if row.state == "promoted" else None}
    for act in acts_in(connection, model, ("stage", "rollout.return", RETURNED)):
        found.add(_brought_in(act.action, act.detail))
    return {version for version in found if version is not None}


def _brought_in(action: str, detail: dict[str, object]) -> int | None:
    """The version that an audited act brought into production, if it did."""
    if action == "stage":
        version = detail.get("version") if detail.get("to") == str(Stage.PRODUCTION) else None
    else:
        version = detail.get("to")
    return version if isinstance(version, int) else None
