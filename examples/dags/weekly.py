"""An author's own Airflow DAG: a week of a model's life in one run, composed of Slipstream's operators and TaskGroups.

    which_days → check_day → take_in_day → bring_online → learn (TaskGroup) → release (TaskGroup)
                 one task a day, mapped                   ... → register       open → ... → promote

Copy it into dags/ under a name of your own. Every task may be killed, retried and cleared; what the generated DAGs of the model
have computed is found, and what is computed here they find.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

from operators import (
    AS_OF,
    FRESH,
    MaterializeFeaturesOperator,
    PublishFeaturesOperator,
    ValidateDataOperator,
    rollout_group,
    training_group,
)


@task
def which_days(count: int, **context: Any) -> list[str]:
    """The days before the run's moment, oldest first."""
    end = datetime.fromisoformat(context["params"]["as_of"] or str(context["data_interval_end"]))
    return [(end - timedelta(days=back)).date().isoformat() for back in range(count, 0, -1)]


def weekly_dag(model: str, days: int = 7, schedule: str | None = "@weekly", **options: Any) -> DAG:
    """`options`: whatever a DAG takes. Its `default_args` come before those that our operators have by themselves."""
    with DAG(
        f"{model}_weekly",
        schedule=schedule,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params={"as_of": AS_OF, "fresh": FRESH},
        **options,
    ) as dag:
        checked = ValidateDataOperator.partial(task_id="check_day", model=model).expand(day=which_days(days))
        taken = PublishFeaturesOperator.partial(task_id="take_in_day", model=model).expand(verdict=checked.output)
        online = MaterializeFeaturesOperator.partial(task_id="bring_online", model=model).expand(features=taken.output)

        # This DAG rolls the version out itself, so no event is sent to the generated one.
        learned = training_group(model, group_id="learn", announce=False)
        online >> learned
        rollout_group(model, group_id="release", version=learned.version)
    return dag
