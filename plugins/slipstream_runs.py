"""A run of one of a model's DAGs that a person starts on the console: audited with its reason, then queued in their name."""

from __future__ import annotations

import uuid
from typing import Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from include.core.errors import DataError, TransientError
from include.core.time import now
from plugins.slipstream_services import services

RANGE = "features_range"


def start_run(
    model: str,
    dag: str,
    conf: dict[str, Any],
    user: BaseUser,
    action: str,
    detail: dict[str, Any],
    reason: str,
    token: str = "",
) -> dict[str, Any]:
    """Returns the run; `paused`: whether it waits until its DAG is switched on. `token`: of one click, which makes one run
    however often it is sent. Raises DataError where Airflow has no such DAG or refuses it, TransientError where it is down.

    The audit's row comes first, so that no run is without one; a run that Airflow refused has a second row that says so.
    """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.exceptions import DagRunAlreadyExists
    from airflow.models.dag import DagModel
    from airflow.sdk.exceptions import AirflowException
    from airflow.utils.types import DagRunTriggeredByType
    from sqlalchemy.exc import SQLAlchemyError

    dag_id, actor = f"{model}_{dag}", f"{user.get_name()} (Airflow)"
    run_id = f"console__{token}" if token else f"console__{now():%Y-%m-%dT%H:%M:%S}_{uuid.uuid4().hex[:8]}"
    told = {**detail, "dag": dag_id, "run": run_id, "reason": reason}
    _audit(actor, action, model, told)
    try:
        trigger_dag(dag_id, triggered_by=DagRunTriggeredByType.UI, triggering_user_name=user.get_name(), run_id=run_id, conf=conf,
                    note=reason)  # fmt: skip
    except DagRunAlreadyExists:
        pass  # the same click, once more
    except (AirflowException, ValueError) as error:
        _audit(actor, f"{action}.refused", model, {**told, "error": str(error)[:300]})
        raise DataError(
            f"Airflow did not start a run of {dag_id}.",
            seen=str(error)[:300],
            safe="nothing was started; the audit has the attempt.",
            hint="is the DAG parsed, and not switched off? `airflow dags list` says so.",
        ) from error
    except SQLAlchemyError as error:
        raise TransientError(
            f"Airflow's database did not take the run of {dag_id}.", safe="nothing was started.", hint="try again."
        ) from error
    known = DagModel.get_dagmodel(dag_id)
    return {"dag": dag_id, "run": run_id, "paused": bool(known is not None and known.is_paused), **detail}


def _audit(actor: str, action: str, model: str, detail: dict[str, Any]) -> None:
    control = services().control
    with control.transaction() as connection:
        control.append_audit(connection, actor, action, model, detail)
