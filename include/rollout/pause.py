"""Manual control of a live rollout: pause, resume, abort. From the Models page and the command line.

A pause keeps the traffic as it is and lets no stage begin or pass; the judge goes on, and may still roll back.
It does not fence off the task that drives the rollout: that one waits, and goes on where it was.
"""

from __future__ import annotations

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_events, rollouts
from include.core.errors import ConflictError
from include.core.request import Json
from include.core.time import timestamp
from include.rollout.history import Rollout, event_key, live_rollout, rollout_in
from include.rollout.machine import roll_back
from include.rollout.rollback import RolledBack


def pause(control: ControlStore, model: str, *, actor: str, reason: str) -> Rollout:
    """The model's live rollout, now paused. Pausing twice changes nothing. Raises ConflictError where none is live."""
    return _switch(control, model, "running", "paused", actor, reason)


def resume(control: ControlStore, model: str, *, actor: str, reason: str) -> Rollout:
    """The model's live rollout, running again."""
    return _switch(control, model, "paused", "running", actor, reason)


def abort(control: ControlStore, model: str, *, actor: str, reason: str) -> RolledBack:
    """End the live rollout: all traffic on the champion. Fences off whoever drives it.

    Unlike `roll_back_model` it never takes out a champion: raises ConflictError where no rollout is live.
    """
    rollout = _live(control, model)
    epoch = control.take(rollout.resource, actor)
    generation = roll_back(control, rollout, reason=reason, actor=actor, epoch=epoch)
    return RolledBack(model, rollout.challenger, rollout.champion, generation)


def _switch(control: ControlStore, model: str, old: str, new: str, actor: str, reason: str) -> Rollout:
    rollout = _live(control, model)
    event = "paused" if new == "paused" else "resumed"
    with control.transaction() as connection:
        mine = sa.and_(rollouts.c.id == rollout.id, rollouts.c.state == old)
        note = reason if new == "paused" else ""
        if connection.execute(rollouts.update().where(mine).values(state=new, reason=note, updated_at=timestamp())).rowcount:
            stage = rollout_in(connection, rollout.id).stage
            _event(connection, rollout.id, stage, event, {"reason": reason, "actor": actor})
            detail = {"rollout": rollout.id, "stage": stage, "reason": reason}
            control.append_audit(connection, actor, f"rollout.{'pause' if new == 'paused' else 'resume'}", model, detail)
        changed = rollout_in(connection, rollout.id)
    if changed.state != new:  # it ended meanwhile
        raise ConflictError(f"Rollout {rollout.id} of {model} is over: {changed.state}.", safe="nothing changed.")
    return changed


def _live(control: ControlStore, model: str) -> Rollout:
    rollout = live_rollout(control, model)
    if rollout is None:
        raise ConflictError(
            f"{model} has no live rollout.",
            safe="nothing changed.",
            hint=f"slipstream rollout status {model}; to leave a champion that was promoted: slipstream rollback {model}.",
        )
    return rollout


def _event(connection: sa.Connection, rollout_id: str, stage: str, event: str, evidence: dict[str, Json]) -> None:
    """Pauses may come again: each has a number."""
    count = sa.select(sa.func.count()).where(rollout_events.c.rollout == rollout_id, rollout_events.c.event == event)
    number = int(connection.execute(count).scalar_one()) + 1
    row = {"rollout": rollout_id, "stage": stage, "event": event, "evidence": evidence, "at": timestamp()}
    connection.execute(rollout_events.insert().values(key=event_key(rollout_id, event, str(number)), **row))
