"""What others see of a task while it works: a span of its trace, and the fields of its and its jobs' log lines.

Where Airflow traces its tasks itself (`[traces] otel_on`), the span is below Airflow's own; its exporter sends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core import error_reports, logs, tracing

# A task that waits in the triggerer raises TaskDeferred, which is no Exception; one that is skipped has not failed either.
EXPECTED = (AirflowSkipException,)


@contextmanager
def seen(name: str, model: str, context: Context, attributes: tracing.Attributes | None = None) -> Iterator[tracing.Span]:
    """Around the work of a task, or of its part after a wait. `name` is the span's: of few words, the same for every model."""
    tracing.start("task")
    error_reports.scrub_others()
    fields = of_task(context)
    told = {f"airflow.{_AIRFLOWS.get(field, field)}": value for field, value in fields.items()}
    try:
        with (
            logs.fields(**fields, model=model),
            tracing.span(name, {"slipstream.model": model, **told, **(attributes or {})}, expected=EXPECTED) as span,
        ):
            yield span
    finally:
        tracing.flush()  # a task's process ends without a word


# As Airflow's own spans name them.
_AIRFLOWS = {
    "run_id": "dag_run.run_id", "try_number": "task_instance.try_number", "map_index": "task_instance.map_index",
}  # fmt: skip


def of_task(context: Context) -> dict[str, Any]:
    """The run, the task and the try, by which a line of a log is found."""
    ti: Any = context["ti"]
    index = getattr(ti, "map_index", -1)
    return {
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "task_id": ti.task_id,
        "map_index": -1 if index is None else index,
        "try_number": ti.try_number,
    }


def of_verdict(stage: str, rollout: str, decision: Mapping[str, Any] | None) -> dict[str, str | int | list[str]]:
    """What the judge said of a stage and on how much: counts of both arms, as its evidence has them."""
    told: dict[str, str | int | list[str]] = {
        "slipstream.rollout": rollout,
        "slipstream.stage": stage,
        "slipstream.verdict": "insufficient" if decision is None else str(decision["answer"]),
    }
    if decision is None:
        return told
    told["slipstream.reasons"] = [str(reason) for reason in decision.get("reasons", ())]
    evidence = decision.get("evidence") or {}
    for arm in ("champion", "challenger"):
        for count, number in (evidence.get(arm) or {}).items():
            if isinstance(number, int):
                told[f"slipstream.evidence.{arm}.{count}"] = number
    return told
