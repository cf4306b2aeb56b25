"""What a run is about: its day, its as-of time, its inputs. Reads Airflow's context, decides nothing else."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from airflow.sdk import Context

from include.core.errors import DataError
from include.core.partition import Cadence, Partition, refuse_future
from include.core.time import parse_time, utc

ACTOR = 255  # characters of an actor in the audit


def wants_fresh(context: Context) -> bool:
    return bool(context["params"].get("fresh", False))


def run_token(context: Context, task_id: str = "") -> str:
    """One for each task of a run, the same in its retries: names the generation `fresh` opens. `task_id`: another's."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{task_id or ti.task_id}/{ti.map_index}"


def is_retry(context: Context) -> bool:
    """Whether Airflow itself tries the task again. A run's first try is none, nor is the first one after a clear."""
    ti = context["ti"]
    retries = getattr(getattr(ti, "task", None), "retries", 0) or 0
    first = getattr(ti, "max_tries", retries) - retries + 1  # a clear counts on: max_tries is then the tries so far, and retries
    return int(ti.try_number) > int(first)


def holder(context: Context) -> str:
    """Who holds a fence: shown to an attempt that is refused."""
    return f"{run_token(context)}/try-{context['ti'].try_number}"


def run_type(context: Context) -> str:
    """manual, scheduled, asset_triggered, backfill ..."""
    given = getattr(context["dag_run"], "run_type", "")
    return str(getattr(given, "value", given))


def person(context: Context) -> str:
    """Who the audit names: the user who started the run before the holder, where Airflow knows one."""
    who = user(context) if is_manual(context) else ""
    return (f"{who}: {holder(context)}" if who else holder(context))[:ACTOR]


def user(context: Context) -> str:
    """The user who asked Airflow for the run, or for the backfill that it is of; empty where a clock or an event did."""
    return str(getattr(context["dag_run"], "triggering_user_name", None) or "")


def trainer(context: Context) -> str | None:
    """Who asked for the training of this run: its user, and whoever the run's conf names behind a login of the platform's.

    Empty where a clock or a task's event did; None where a person may be behind it whom Airflow does not name: an event that no
    task sent (its API makes those), or another DAG's task that started the run.
    """
    from include.versions.trainer import ASKED_BY, SEPARATOR  # SQLAlchemy: not while DAG files are parsed

    behind = str((getattr(context["dag_run"], "conf", None) or {}).get(ASKED_BY) or "").strip()
    names = list(dict.fromkeys(name for name in (user(context), behind) if name))
    if names:
        return SEPARATOR.join(names)
    groups = (context.get("triggering_asset_events") or {}).values()
    outside = any(getattr(event, "source_dag_id", "a task's") is None for group in groups for event in group)
    return None if outside or run_type(context) == "operator_triggered" else ""


def is_backfill(context: Context) -> bool:
    """A backfill run computes and registers; it never deploys, pages or triggers a retrain."""
    return run_type(context) == "backfill"


def may_deploy(context: Context) -> bool:
    """Whether this run may change what is served: every run but a backfill whose conf does not say `deploy`."""
    conf = getattr(context["dag_run"], "conf", None) or {}
    return not is_backfill(context) or bool(conf.get("deploy", False))


def is_manual(context: Context) -> bool:
    """Whether a person started this run: not a clock, an event, or a task of another run."""
    return run_type(context) == "manual"


def run_partition(context: Context, cadence: Cadence, given: object = None) -> Partition:
    """The partition a task is about: the one it was given, else that of the run's parameter `day`, its event's or its partition
    key, or the one that holds the start of its data interval. Raises DataError for one in the future."""
    given = said(given) or context["params"].get("day") or event_extra(context).get("day") or context.get("partition_key")
    start = context.get("data_interval_start")
    if given:
        found = cadence.on(_date("day", str(given))) if cadence.is_daily else cadence.parse(str(given))
    elif start is not None:
        found = cadence.at(start)
    else:
        raise DataError(
            "This run has no day." if cadence.is_daily else "This run has no partition.",
            seen=context["params"].get("day"),
            hint=f"trigger it with the parameter day={cadence.shape}, or give the operator its day.",
        )
    refuse_future(found)
    return found


def as_of(context: Context, newest: Partition | None, given: object = None) -> datetime:
    """The moment a training or monitoring task pretends to be at, UTC without zone.

    The one it was given, else the run parameter `as_of`, else the triggering event's, else the data interval's end, else the end
    of the newest published day.
    """
    given = said(given) or context["params"].get("as_of") or event_extra(context).get("as_of")
    if given:
        return _moment("as_of", str(given))
    end = context.get("data_interval_end")
    if end is not None and not is_asset_run(context):
        return utc(end)
    if newest is None:
        raise DataError("No day is published yet, so there is nothing to train on.", hint="run the model's features DAG first.")
    return newest.end


def is_asset_run(context: Context) -> bool:
    return bool(context.get("triggering_asset_events"))


def event_extra(context: Context) -> dict[str, Any]:
    """`extra` of the newest asset event that triggered this run; empty for any other run."""
    extras = event_extras(context)
    return extras[-1] if extras else {}


def event_extras(context: Context) -> list[dict[str, Any]]:
    """Of all events that triggered this run: Airflow makes one run of events that wait together.

    A watcher's event has what its trigger sent as `payload`.
    """
    events = context.get("triggering_asset_events") or {}
    extras = [dict(event.extra or {}) for group in events.values() for event in group]
    return [dict(extra.get("payload") or {}) if extra.get("from_trigger") else extra for extra in extras]


def said(given: object) -> object:
    """A value given to an operator; None for what a template of a parameter that nobody set renders to."""
    return None if given is None or str(given).strip() in ("", "None") else given


def left(context: Context, task_id: str, key: str) -> Any:
    """What another task of the run left under a key of its own: of this task's own map index where it is mapped with it."""
    return context["ti"].xcom_pull(task_ids=task_id, key=key, map_indexes=map_index(context))


def map_index(context: Context) -> int | None:
    """Of a mapped task; None for another."""
    index = context["ti"].map_index
    return index if index is not None and index >= 0 else None


def _date(field: str, value: str) -> date:
    return _moment(field, value).date()


def _moment(field: str, value: str) -> datetime:
    try:
        return parse_time(str(value))
    except DataError as error:
        raise DataError(f"The given {field!r} is no date.", seen=value, hint=f"write {field}=2013-04-01.") from error
