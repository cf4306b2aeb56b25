"""Candidates that wait for their turn: which there are, and which will never have one.

An asset event is only a reason to look. Airflow makes one run of events that wait together, and forgets some of those that
arrive while a run is active; a version that is registered waits here whatever became of its event. One that had a rollout, or
was superseded, and is a Candidate once more was offered again by a person, and is left to that person.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, rollouts
from include.core.documents import DocumentKind
from include.core.versioned import Format
from include.routing.route import route_in
from include.versions.gate import offered_in
from include.versions.lifecycle import Stage, at_stage, move_in

SUPERSEDED = "candidate.superseded"  # the audit's word; its detail is {"version", "by", "reason"}
ENDS = DocumentKind("superseded", Format("the end of a candidate without a turn"))  # its body is that detail


def waiting(control: ControlStore, model: str) -> list[int]:
    """Candidates that never had a rollout and are newer than the champion; the newest first."""
    with control.transaction() as connection:
        champion = route_in(connection, model)[1].champion or 0
        return [version for version in without_a_turn(connection, model) if version > champion]


def supersede(control: ControlStore, model: str, actor: str) -> list[int]:
    """Archive the Candidates without a turn that are older than the champion, each with an audit row; says which."""
    with control.transaction() as connection:
        champion = route_in(connection, model)[1].champion
        return supersede_in(connection, control, model, champion, actor) if champion is not None else []


def supersede_in(connection: sa.Connection, control: ControlStore, model: str, champion: int, actor: str) -> list[int]:
    """The same, in the transaction that makes the champion one."""
    gone = [version for version in without_a_turn(connection, model) if version < champion]
    for version in gone:
        move_in(connection, model, version, Stage.ARCHIVED)
        reason = f"version {champion} came into production before it had its turn"
        detail: dict[str, Any] = {"version": version, "by": champion, "reason": reason}
        control.append_audit(connection, actor, SUPERSEDED, model, detail)
        ENDS.save_in(connection, _key(model, version), model, detail)
    return gone


def superseded_by(control: ControlStore, model: str, version: int) -> int | None:
    """The version that came into production before this one had its turn; None if that never happened."""
    known = ENDS.load(control, _key(model, version))
    return int(known.body["by"]) if known is not None else None


def _key(model: str, version: int) -> str:
    return f"superseded/{model}/{version}"


def without_a_turn(connection: sa.Connection, model: str) -> list[int]:
    """Newest first. What had a rollout, was superseded or was offered again by a person waits for a person, not for its turn."""
    had = set(connection.execute(sa.select(rollouts.c.challenger).where(rollouts.c.model == model)).scalars())
    found = [version for version in at_stage(connection, model, Stage.CANDIDATE) if version not in had]
    keys = {_key(model, version): version for version in found}
    known = ENDS.load_in(connection, keys)
    left = set(found) - {keys[end.key] for end in known} - (offered_in(connection, model) if found else set())
    return sorted(left, reverse=True)
