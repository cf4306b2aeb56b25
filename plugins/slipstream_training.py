"""Two acts that are runs of a model's DAGs: train now, and roll a version out. Who asks needs the right to run that very DAG."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends
from pydantic import Field

from include.core.errors import ConflictError
from include.core.time import parse_time, utc_now
from include.versions.given_up import require_kept_in
from include.versions.queries import at_version
from plugins.slipstream_access import model_access
from plugins.slipstream_acts import Reason
from plugins.slipstream_runs import start_run
from plugins.slipstream_services import services

router = APIRouter()
Trainer = Annotated[BaseUser, Depends(model_access("POST", "training"))]
Operator = Annotated[BaseUser, Depends(model_access("POST"))]


class Run(Reason):
    """`token`: of one click. Sent again it finds the run that it made."""

    token: str = Field(pattern=r"^[0-9a-f]{16,64}$")


class Training(Run):
    """`as_of`: as if it were that moment (UTC); empty: the newest published day."""

    as_of: str = Field(default="", max_length=40)


class Offer(Run):
    version: int = Field(strict=True, ge=1, lt=2**31)


@router.post("/api/models/{model}/train")
def train(model: str, body: Training, user: Trainer) -> dict[str, Any]:
    conf = {"as_of": _past(body.as_of)} if body.as_of else {}
    return start_run(model, "training", conf, user, "training.start", conf, body.reason, body.token)


def _past(text: str) -> str:
    """As the DAG takes it. Raises ConflictError for a moment that has not come: the run would fail, a minute later."""
    if (moment := parse_time(text)) > utc_now():
        raise ConflictError(
            f"{moment:%Y-%m-%d %H:%M} UTC has not come.", seen=text, safe="nothing was started.",
            hint="name a moment that has passed, or none: the newest published partition.",
        )  # fmt: skip
    return moment.isoformat()


@router.post("/api/models/{model}/roll_out")
def roll_out(model: str, body: Offer, user: Operator) -> dict[str, Any]:
    """By the rollout's own rules: it goes on only where the version's gate is open and its turn has come."""
    with services().control.transaction() as connection:
        at_version(connection, model, body.version)
        require_kept_in(connection, model, body.version)
    conf = {"version": body.version}
    return start_run(model, "rollout", conf, user, "rollout.start", conf, body.reason, body.token)
