"""Runs of a model's DAGs that a person asks for: train now, take in a range of days, roll a version out.

Airflow makes the run, as the person who asks: they need the right to run that very DAG. The reason is the run's note and a row of
the audit, which is written first. A request that is sent twice makes one run.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.exceptions import DagNotFound, DagRunAlreadyExists
from airflow.models.dag import DagModel
from airflow.utils.types import DagRunTriggeredByType
from fastapi import APIRouter, Depends
from pydantic import Field, model_validator

from include.core.errors import ConflictError, DataError
from include.core.time import parse_time
from include.versions.queries import at_version
from plugins.slipstream_access import model_access
from plugins.slipstream_acts import Reason, name_of
from plugins.slipstream_services import services

router = APIRouter()
Conf = dict[str, Any]


class Run(Reason):
    """`token`: of one click. Sent again it finds the run that it made."""

    token: str = Field(pattern=r"^[0-9a-f]{16,64}$")


class Training(Run):
    """`as_of`: as if it were that moment (UTC); empty: the newest published day."""

    as_of: str = Field(default="", max_length=40)


class Range(Run):
    """Partitions from the first to the last, both included, as the model's cadence names them."""

    first: str = Field(min_length=4, max_length=32, pattern=r"^[0-9][0-9A-Za-z:.-]+$")
    last: str = Field(min_length=4, max_length=32, pattern=r"^[0-9][0-9A-Za-z:.-]+$")

    @model_validator(mode="after")
    def _is_forward(self) -> Self:
        if self.first > self.last:
            raise ValueError("the first is after the last")
        return self


class Offer(Run):
    version: int = Field(strict=True, ge=1, lt=2**31)


@router.post("/api/models/{model}/train")
def train(model: str, body: Training, user: Annotated[BaseUser, Depends(model_access("POST", "training"))]) -> dict[str, Any]:
    return _run(model, "training", {"as_of": parse_time(body.as_of).isoformat()} if body.as_of else {}, body, user)


@router.post("/api/models/{model}/backfill")
def backfill(
    model: str, body: Range, user: Annotated[BaseUser, Depends(model_access("POST", "features_range"))]
) -> dict[str, Any]:
    cadence = services().owner(model).data.cadence
    first, last = (cadence.parse(each) for each in (body.first, body.last))
    return _run(model, "features_range", {"from": first.name, "to": last.name}, body, user)


@router.post("/api/models/{model}/roll_out")
def roll_out(model: str, body: Offer, user: Annotated[BaseUser, Depends(model_access("POST", "rollout"))]) -> dict[str, Any]:
    """By the rollout's own rules: it goes on only where the version's gate is open and its turn has come."""
    with services().control.transaction() as connection:
        at_version(connection, model, body.version)
    return _run(model, "rollout", {"version": body.version}, body, user)


def _run(model: str, part: str, conf: Conf, body: Run, user: BaseUser) -> dict[str, Any]:
    """{dag, run, paused}: the run that Airflow made; `paused`: whether it waits until its DAG is switched on."""
    dag, run = f"{model}_{part}", f"manual__console_{body.token}"
    known = DagModel.get_dagmodel(dag)
    if known is None or known.is_stale:
        raise DataError(
            f"Airflow knows no DAG {dag}.", seen=dag, hint="are the DAG files parsed? airflow dags list-import-errors"
        )
    if known.has_import_errors:
        raise ConflictError(
            f"{dag} has import errors.", seen=dag, safe="nothing was started.", hint="airflow dags list-import-errors"
        )
    control = services().control
    with control.transaction() as connection:  # first, so that no run is without its row
        detail = {"dag": dag, "run": run, "conf": conf, "reason": body.reason}
        control.append_audit(connection, name_of(user), f"run.{part}", model, detail)
    try:
        by = DagRunTriggeredByType.UI
        trigger_dag(dag, triggered_by=by, triggering_user_name=user.get_name(), run_id=run, conf=conf, note=body.reason)
    except DagRunAlreadyExists:
        pass  # the same click, once more
    except DagNotFound as error:
        raise DataError(f"Airflow knows no DAG {dag}.", seen=dag) from error
    except ValueError as error:  # a parameter that the DAG does not take
        raise ConflictError(f"Airflow makes no such run of {dag}: {error}", seen=conf, safe="nothing was started.") from error
    return {"dag": dag, "run": run, "paused": bool(known.is_paused)}
