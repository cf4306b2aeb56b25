"""`slipstream rollback`: one call that returns to safety, with or without a live rollout, Airflow up or down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.rollout.history import live_rollout
from include.rollout.machine import roll_back
from include.rollout.offer import served_in
from include.routing.route import Route, read_route, route_in, set_route
from include.versions.given_up import require_kept_in
from include.versions.lifecycle import set_production


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did: the version that lost its traffic, the one that answers now, the route's generation."""

    model: str
    gone: int | None
    serving: int | None
    generation: int


def roll_back_model(control: ControlStore, model: str, *, actor: str, reason: str) -> RolledBack:
    """End the live rollout, or else return to the champion before this one.

    Fences off whoever drives the rollout. Raises ConflictError when there is nothing to return to.
    """
    epoch = control.take(f"rollout/{model}", actor)
    rollout = live_rollout(control, model)
    if rollout is not None:
        generation = roll_back(control, rollout, reason=reason, actor=actor, epoch=epoch)
        return RolledBack(model, rollout.challenger, rollout.champion, generation)
    return _return_to_previous(control, model, actor, reason, epoch)


def _return_to_previous(control: ControlStore, model: str, actor: str, reason: str, epoch: int) -> RolledBack:
    generation, _ = read_route(control, model)

    def effect(connection: sa.Connection) -> dict[str, Any]:
        _, route = route_in(connection, model)
        if route.previous is None:
            raise ConflictError(
                f"{model} has no live rollout and no previous champion to return to.",
                seen=route.to_json(),
                safe="the route stays as it is.",
                hint=f"{_earlier(connection, model)}; `slipstream versions {model}` lists all.",
            )
        require_kept_in(connection, model, route.previous)
        # No way back to the version just left: a second rollback must not bring it in again.
        new = set_route(connection, model, Route(champion=route.previous))
        set_production(connection, model, route.previous)
        detail = {"reason": reason, "from": route.champion, "to": route.previous, "generation": new}
        control.append_audit(connection, actor, "rollout.return", model, detail)
        return detail

    result, _ = control.once(f"rollback:{model}:{generation}", f"rollout/{model}", epoch, effect)
    return RolledBack(model, result["from"], result["to"], result["generation"])


def _earlier(connection: sa.Connection, model: str) -> str:
    """The command that returns to the newest version that was in production before, if there is one."""
    serving = route_in(connection, model)[1].champion
    found = sorted(served_in(connection, model) - {serving})
    if not found:
        return "roll out another version"
    return (
        f"back to a version that was in production before ({', '.join(map(str, found))}): slipstream restore {model} "
        f'{found[-1]} --now --reason "..."'
    )
