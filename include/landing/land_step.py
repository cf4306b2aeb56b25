"""Days of a source, as a warehouse gives them: the query is awaited, its files are read and checked, and each day is one file."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from include.core import fault
from include.core.errors import DataError, JobFailedError, PermanentError, SlipstreamError
from include.core.partition import Cadence, Partition
from include.core.ports import open_aws
from include.core.request import Outcome
from include.core.task import Step, Task
from include.data.raw import RawPartitions
from include.landing.query import folder, query_of
from include.landing.request import asked_of
from include.landing.rows import Days, split
from include.landing.warehouse import Look, State, Warehouse, open_warehouse
from include.step_values.landing import LandValue

LOOK_SECONDS = 5.0  # between two looks, for who waits here


def run(task: Task) -> Outcome:
    """With the login of AWS in the settings' environment."""
    return land(task, open_warehouse(task.params["warehouse"], open_aws(task.settings)))


def step_with(warehouse: Warehouse, look_seconds: float = LOOK_SECONDS) -> Step:
    """The same step for who has a warehouse open."""
    return partial(land, warehouse=warehouse, look_seconds=look_seconds)


def land(task: Task, warehouse: Warehouse, look_seconds: float = LOOK_SECONDS) -> Outcome:
    """Files `{YYYY-MM-DD}.parquet`, one for each day, or partition of another length by its name.

    Raises PermanentError in the engine's words for a query that failed and would again, JobFailedError for one that may not,
    DataError for rows that are no partition. Each of them ends the attempt: the next one asks anew.
    """
    query = query_of(task.request, task.attempt, task.storage, warehouse)
    while (seen := warehouse.look(query)).state is State.RUNNING:
        time.sleep(look_seconds)
    try:
        _require_done(task, query, seen)
        fault.point("landing.done")
        return _outcome(task, query, warehouse)
    except (PermanentError, JobFailedError) as error:
        if task.ledger.result(task.attempt.key, task.attempt.generation) is None:
            task.ledger.end_attempt(task.attempt, f"query {query}: {error}")
        raise


def _require_done(task: Task, query: str, seen: Look) -> None:
    params = task.params
    what = f"of {params['source']}, {params['first']} to {params['last']},"
    if seen.state is State.LOST:
        raise JobFailedError(
            f"The query {query} {what} is unknown to the engine by now.",
            safe="nothing was landed of it.",
            hint="none: the next attempt asks anew.",
        )
    if seen.state is State.FAILED:
        kind: type[SlipstreamError] = JobFailedError if seen.again else PermanentError
        raise kind(
            f"The query {query} {what} failed in {params['warehouse']['engine']}: {seen.words}",
            safe="nothing was landed; partitions that are there stay.",
            hint="it is tried again." if seen.again else "mend data.warehouse, or the warehouse; then clear the task.",
        )


def _outcome(task: Task, query: str, warehouse: Warehouse) -> Outcome:
    params = task.params
    days = asked_of(params)
    files = _fetched(task, query, warehouse)
    like, columns_of = (None, "") if files else _columns(task, days)
    asked = Days(tuple(days), params["warehouse"]["day_column"], bool(params.get("empty_days")))
    made = split(files, asked, task.workdir / "days", f"the query {query}", like)
    value: LandValue = {
        "source": params["source"],
        "first": params["first"],
        "last": params["last"],
        "engine": params["warehouse"]["engine"],
        "query": query,
        "files": len(files),
        "rows": {day.name: rows for day, (_, rows) in made.items()},
        "columns_of": columns_of,
    }
    return Outcome(value, {f"{day}.parquet": path for day, (path, _) in made.items()})


def _fetched(task: Task, query: str, warehouse: Warehouse) -> list[Path]:
    """The query's files, here; sorted by name. Raises DataError if one that it says it wrote is gone."""
    storage, target = task.storage, folder(task.attempt)
    listed = warehouse.files(query, f"{storage.uri(target)}/")
    paths = sorted(storage.list(target) if listed is None else (each.removeprefix(f"{storage.root}/") for each in listed))
    found = []
    for number, path in enumerate(each for each in paths if not each.rpartition("/")[2].startswith(("_", "."))):
        place = task.workdir / "unloaded" / str(number)
        place.mkdir(parents=True)
        try:
            found.append(storage.fetch(path, place))
        except FileNotFoundError as error:
            raise DataError(
                f"The query {query} says that it wrote a file which is not there.",
                seen=path,
                safe="nothing was landed.",
                hint="does a lifecycle rule remove it? Clear the task: it asks anew.",
            ) from error
    return found


def _columns(task: Task, days: list[Partition]) -> tuple[Path | None, str]:
    """A partition of the same source whose columns an empty day has, and its day: the newest before, else the oldest after."""
    if not task.params.get("empty_days"):
        return None, ""
    raw = RawPartitions(task.storage, task.request.model, True, Cadence.read(task.params))
    source = task.params["source"]
    there = [day for day in raw.days(source) if day not in days]
    if not there:
        return None, ""
    day = max((each for each in there if each < days[0]), default=min(there))
    return raw.fetch(source, day, raw.digest(source, day), task.workdir / "columns"), day.name
