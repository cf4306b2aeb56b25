"""The routes of approvals: who is waited for, what there is to see, and a person's yes or no.

Whoever may answer requests of the model's rollout DAG in Airflow may answer here: the same right, and the same person. What is
allowed beyond that (the role, who trained it, the deadline) is the control store's to say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from include.governance.mirror import follow
from include.rollout.approval_gate import Standing
from include.rollout.approval_list import why_nobody
from include.rollout.approval_request import request as request_of
from include.rollout.approvals import Answer, approvals_of, decide, waiting_approvals
from include.rollout_state.approval import Person
from include.versions.override import LONGEST
from plugins.slipstream_access import any_access, may, model_access, require_known
from plugins.slipstream_dossier import dossiers_about
from plugins.slipstream_input import VERSIONS
from plugins.slipstream_services import services

router = APIRouter()


def approver(request: Request, user: GetUserDep) -> BaseUser:
    """Raises 403 for who may not answer requests of the model's rollout DAG, 404 for no model."""
    model = request.path_params["model"]
    _require_right(model, request, user)
    require_known(model)
    return user


User = Annotated[BaseUser, Depends(any_access)]
Reader = Annotated[BaseUser, Depends(model_access("GET"))]
Approver = Annotated[BaseUser, Depends(approver)]


class Decision(BaseModel):
    """`seen`: the digest that the request was shown with. `request`: of a caller that may have to say it again."""

    model_config = ConfigDict(extra="forbid")
    version: int = Field(strict=True, ge=1, le=VERSIONS)
    answer: Literal["approve", "reject"]
    reason: str = Field(min_length=3, max_length=LONGEST)
    seen: str = Field(pattern=r"^[0-9a-f]{64}$")
    via: Literal["console", "command line"] = "console"
    request: str = Field(default="", max_length=100)


@router.get("/api/approvals")
def approvals(request: Request, user: User) -> list[dict[str, Any]]:
    """What waits for persons, of the models that the user may see; due first comes first."""
    return [
        _shown(standing, request, user)
        for standing in waiting_approvals(services().control)
        if may(standing.rollout.model, request, user)
    ]


@router.get("/api/models/{model}/approval")
def waiting(model: str, request: Request, user: Reader, version: Annotated[int, Query(ge=0, le=VERSIONS)] = 0) -> dict[str, Any]:
    """{"waiting": what waits for persons now, or None; "said": what they said of that version; "nobody": where a version is asked
    about that does not wait, why}."""
    found = waiting_approvals(services().control, model)
    said = approvals_of(services().control, model, found[0].rollout.challenger) if found else []
    waits = found[0].rollout.challenger if found else 0
    nobody = why_nobody(services().control, model, version) if version and version != waits else ""
    return {"waiting": _shown(found[0], request, user) if found else None, "said": said, "nobody": nobody}


@router.post("/api/models/{model}/approval")
def answer(model: str, body: Decision, user: Approver, later: BackgroundTasks) -> dict[str, Any]:
    """A person's yes or no. The task that asks in Airflow finds it, and goes on or ends."""
    by = Person(str(user.get_id() or ""), str(user.get_name() or ""))
    said = Answer(body.answer == "approve", by, body.reason, body.seen, body.via, body.request)
    done = decide(services().control, model, body.version, said)
    if not done.approved:
        later.add_task(follow, services().control, services().labels, model)
    return {**done.to_json(), "by": by.name}


def may_answer(model: str, request: Request, user: BaseUser) -> bool:
    """Whether the user has the right in Airflow: a page offers nothing that would be refused."""
    try:
        _require_right(model, request, user)
    except HTTPException:
        return False
    return True


def _require_right(model: str, request: Request, user: BaseUser) -> None:
    requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL, param_dag_id=f"{model}_rollout")(request, user)


def _shown(standing: Standing, request: Request, user: BaseUser) -> dict[str, Any]:
    """`may_answer`: whether this user may, by Airflow's right and the terms' list. `why_not`: by answer, why it would be refused
    to them; empty where it would not."""
    person = Person(str(user.get_id() or ""), str(user.get_name() or ""))
    has_right = may_answer(standing.rollout.model, request, user)
    right = standing.terms.allows(person) and has_right
    why = {"approve": _why_not(standing, person, has_right), "reject": _why_neither(standing, person, has_right)}
    kept = dossiers_about(standing.rollout.model, standing.rollout.challenger)
    return {**request_of(services().control, standing), "may_answer": right, "why_not": why, "dossiers": kept}


def _why_neither(standing: Standing, person: Person, has_right: bool) -> str:
    if not has_right:
        return "Airflow's right to answer requests of the rollout's DAG is needed."
    if standing.terms.allows(person):
        return ""
    return f"It takes the role {standing.terms.role}." if standing.terms.role else "It takes one of those who are named."


def _why_not(standing: Standing, person: Person, has_right: bool) -> str:
    if words := _why_neither(standing, person, has_right):
        return words
    if standing.trainers & person.keys:
        return "You triggered its training: somebody else has to approve it. You may reject it."
    if any(said.person.keys & person.keys for said in standing.approvals):
        return "You have approved it: another person is asked now."
    return ""
