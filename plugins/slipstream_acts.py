"""The routes by which a person acts on a model, each through the stages' own functions, with a reason, under their name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from include.governance.invalidation import dependents, find, invalidate, named, require_step
from include.governance.mirror import follow
from include.rollout.pause import abort, pause, resume
from include.rollout.restore import restore, restore_now
from include.rollout.rollback import roll_back_model
from plugins.slipstream_access import model_access
from plugins.slipstream_services import services

router = APIRouter()
Operator = Annotated[BaseUser, Depends(model_access("POST"))]
Trainer = Annotated[BaseUser, Depends(model_access("POST", "training"))]


class Reason(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


class Restoration(Reason):
    """Offers the version again; with `now` it answers everybody at once. `despite_gate`: although its gate is closed."""

    version: int = Field(strict=True, ge=1, lt=2**31)
    now: bool = Field(default=False, strict=True)
    despite_gate: bool = Field(default=False, strict=True)


class Invalidation(Reason):
    """Either a key, or a step and perhaps a day. Without `confirm` it only shows what would be affected."""

    key: str = Field(default="", pattern=r"^([a-z0-9_]{1,100}/[0-9a-f]{8,64})?$")
    step: str = Field(default="", pattern=r"^[a-z0-9_]{0,100}$")
    day: str = Field(default="", max_length=30)
    confirm: bool = False


@router.post("/api/models/{model}/rollback")
def rollback(model: str, body: Reason, user: Operator, later: BackgroundTasks) -> dict[str, Any]:
    later.add_task(_mirror, model)
    return dict(vars(roll_back_model(services().control, model, actor=name_of(user), reason=body.reason)))


@router.post("/api/models/{model}/restore")
def restore_version(model: str, body: Restoration, user: Operator, later: BackgroundTasks) -> dict[str, Any]:
    """A version that had its rollout is offered again, or returns to production."""
    later.add_task(_mirror, model)
    given = (services().control, services().ledger, model, body.version)
    if body.now:
        spec = services().readable_spec(model)
        back = restore_now(*given, actor=name_of(user), reason=body.reason, despite_gate=body.despite_gate, spec=spec)
        return dict(vars(back))
    return dict(vars(restore(*given, actor=name_of(user), reason=body.reason, despite_gate=body.despite_gate)))


@router.post("/api/models/{model}/rollout/{verb}")
def control_rollout(
    model: str, verb: Literal["pause", "resume", "abort"], body: Reason, user: Operator, later: BackgroundTasks
) -> dict[str, Any]:
    """Manual control of the live rollout: pause, resume, abort."""
    if verb == "abort":
        later.add_task(_mirror, model)
        return dict(vars(abort(services().control, model, actor=name_of(user), reason=body.reason)))
    act = pause if verb == "pause" else resume
    rollout = act(services().control, model, actor=name_of(user), reason=body.reason)
    return {"rollout": rollout.id, "state": rollout.state, "stage": rollout.stage, "challenger": rollout.challenger}


@router.post("/api/models/{model}/invalidate")
def recompute(model: str, body: Invalidation, user: Trainer) -> dict[str, Any]:
    ledger = services().ledger
    if not body.key:
        require_step(ledger, model, body.step)
    chosen = [named(ledger, body.key)] if body.key else find(ledger, model, body.step, body.day or None)
    if any(each.model != model for each in chosen):
        raise HTTPException(404, f"{body.key} is of another model.")
    affected = dependents(ledger, [each.key for each in chosen])
    opened = invalidate(ledger, services().control, chosen, actor=name_of(user), reason=body.reason) if body.confirm else []
    shown = {"chosen": chosen, "dependents": affected, "opened": opened}
    return {name: [each.to_json() for each in held] for name, held in shown.items()}


def _mirror(model: str) -> None:
    """After the answer: have the registry show what was decided. Where it is down, that is recorded."""
    follow(services().control, services().labels, model)


def name_of(user: BaseUser) -> str:
    return f"{user.get_name()} (Airflow)"
