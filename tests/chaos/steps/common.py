"""What the rows share: running an operator in a child, reading everything a world holds, comparing with the twin."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from airflow.sdk.exceptions import TaskDeferred

from include.core.control import audit, decisions, documents, effects, partitions, rollout_events, rollouts, routes, versions
from include.core.storage import TEMPORARY
from include.services.services import Services
from include.training.spool import MetricSpool
from operators.hooks import open_services
from operators.training import PlanTrainingOperator
from tests.chaos.protocol import Call, Deferred, Done, Finding, State
from tests.chaos.world import World
from tests.support.operator_runs import MODEL, Life, Run, day, rendered
from tests.support.wired import BuildTrainingSetOperator

FOREIGN = (".ses", "pymp-", "feast_metrics_")  # of libraries: not ours to sweep
RECORDS = ("request.json", "open.json", "result.json")


class OperatorStep:
    """A step whose tasks are Slipstream's operators, called with a plain dict as context."""

    models = "tests.unit.operators.models"
    base: Any = None  # what its template is made on top of

    def operator(self, task: str) -> Any:
        raise TypeError(f"{type(self).__name__} must define operator()")

    def run(self, world: World, call: Call) -> Done | Deferred:
        run = run_of(call.run)
        return _told(run, lambda operator, context: operator.execute(context), self.operator(call.task), call)

    def resume(self, world: World, call: Call) -> Done | Deferred:
        assert call.deferred is not None
        deferred = call.deferred

        def go_on(operator: Any, context: Any) -> Any:
            return getattr(operator, deferred.method)(context, event=call.event, **deferred.method_kwargs)

        return _told(run_of(call.run), go_on, self.operator(call.task), call)

    def backfill(self, world: World, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [{**run, "run_id": "backfill__1", "run_type": "backfill"}]

    def check(self, twin: State, seen: State) -> list[Finding]:
        return compare(twin, seen)


def _told(run: Run, do: Any, operator: Any, call: Call) -> Done | Deferred:
    context = run.context(call.task, call.number)
    try:
        value = do(rendered(operator, context), context)
    except TaskDeferred as deferred:
        trigger, kwargs = deferred.trigger.serialize()
        return Deferred(trigger, kwargs, deferred.method_name, dict(deferred.kwargs or {}))
    return Done(value, run.sent)


def run_of(value: Mapping[str, Any]) -> Run:
    """A run from its JSON."""
    known = {field.name for field in fields(Run)}
    given = {name: item for name, item in value.items() if name in known}
    if given.get("interval"):
        given["interval"] = tuple(date.fromisoformat(day) for day in given["interval"])
    return Run(**given)


class Published:
    """What most steps start from: the shop's first days are published. Made once for all of them."""

    name = "published"
    days = 4

    def prepare(self, world: World) -> dict[str, Any]:
        shop = life()
        for number in range(1, self.days + 1):
            shop.land(day(number))
            shop.publish(day(number))
        return {}


PUBLISHED = Published()
DAYS = PUBLISHED.days


def snapshot() -> Run:
    """A training run up to its training set."""
    run = Run()
    run(PlanTrainingOperator(task_id="plan", model=MODEL))
    run(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL))
    return run


def life() -> Life:
    """The shop's life in this child's world."""
    return Life(open_services())


# -- everything a world holds --------------------------------------------------------------------------------


class Holdings:
    """Reads the stores of this child's world."""

    def __init__(self) -> None:
        self.services: Services = open_services()

    @cached_property
    def paths(self) -> list[str]:
        return list(self.services.storage.list(""))

    def results(self) -> dict[str, Any]:
        """Every committed result by its path: its digest, its value and its files. Each file's bytes are verified."""
        ledger, found = self.services.ledger, {}
        for path in self.paths:
            if path.startswith("ledger/") and path.endswith("/result.json"):
                key, _, generation = path.removeprefix("ledger/").removesuffix("/result.json").rpartition("/g")
                result = ledger.result(key, int(generation))
                assert result is not None
                assert ledger.verify(result) == [], f"{path} points to damaged files"
                found[path] = result
        return found

    def strays(self) -> list[str]:
        """Bytes that nothing points to: temporary files, outputs that no result names, scratch of the dead."""
        named = {file.path for result in self.results().values() for file in result.files.values()}
        stray = [path for path in self.paths if path.startswith("ledger/") and path not in named and not _record(path)]
        root = Path(self.services.settings.root)
        if root.is_dir():
            stray += [path.relative_to(root).as_posix() for path in root.rglob(f"{TEMPORARY}*")]
        home = self.services.settings.home
        for folder in ("scratch", "tmp"):
            stray += [f"{folder}/{path.name}" for path in (home / folder).glob("*") if not path.name.startswith(FOREIGN)]
        return sorted(stray)

    def metrics(self) -> list[list[Any]]:
        """Every metric that a spool holds, each time that it holds it. Its batches are as many as there was time for."""
        folders = sorted({path.rpartition("/")[0] for path in self.paths if _spooled(path)})
        spools = ((folder, MetricSpool(self.services.storage, folder)) for folder in folders)
        batches = ((folder, rows) for folder, spool in spools for _, rows in spool.read())
        return [[folder, step, metrics] for folder, rows in batches for step, _, metrics in rows]

    def rows(self, table: sa.Table, *columns: str) -> list[list[Any]]:
        """Some columns of a table's rows, sorted."""
        with self.services.control.transaction() as connection:
            rows = connection.execute(sa.select(*(table.c[name] for name in columns))).all()
        return sorted(([*row] for row in rows), key=lambda row: json.dumps(row, sort_keys=True, default=str))

    def control(self) -> State:
        """The control store, without times, and without fences: who tried is no part of what was done."""
        return {
            "effects": sorted({_effect(key) for (key,) in self.rows(effects, "key")}),
            "documents": [row for row in self.rows(documents, "key", "kind", "subject") if row[1] != "online"],
            "partitions": self.rows(partitions, "model", "day", "digest"),
            "versions": self.rows(versions, "model", "semver", "stage"),
            "rollouts": self.rows(rollouts, "id", "live", "challenger", "champion", "stage", "state"),
            "events": self.rows(rollout_events, "key", "stage", "event"),
            "routes": self.rows(routes, "model", "generation", "route"),
            "decisions": self.rows(decisions, "key", "as_of", "action"),
            "audit": self.rows(audit, "action", "subject"),
            "broken audit rows": self.services.control.broken_audit_rows(),
        }

    def state(self) -> State:
        results = {path: result.digest for path, result in self.results().items()}
        return {"results": results, "metrics": self.metrics(), "strays": self.strays(), "control": self.control()}


def _record(path: str) -> bool:
    name = path.rpartition("/")[2]
    return (
        name in RECORDS or name.startswith("attempt-") or "/checkpoints/" in path or "/metrics/trials/" in path or _spooled(path)
    )


def _spooled(path: str) -> bool:
    """A batch of metrics, of a training or of a trial of a search."""
    folder, _, name = path.rpartition("/")
    return name.isdigit() and (folder.endswith("/metrics") or "/metrics/trials/" in folder)


def _effect(key: str) -> str:
    """An effect's key without the epoch of a publication: a retry publishes under its own, and changes nothing."""
    parts = key.split("/")
    return "/".join(part for part in parts if not part.isdigit()) if parts[0] == "publish" else key


def everything() -> None:
    """Read all there is. Raises if anything committed cannot be read, or not as it was written."""
    holdings = Holdings()
    holdings.results()
    holdings.control()


# -- comparing -------------------------------------------------------------------------------------------------


def compare(twin: State, seen: State, where: str = "") -> list[Finding]:
    """What the twin has and this has not is lost; what only this has is doubled."""
    findings: list[Finding] = []
    for name in sorted({*twin, *seen}):
        place = f"{where}{name}"
        if name not in seen:
            findings.append(Finding("lost", f"{place}: {twin[name]}"))
        elif name not in twin:
            findings.append(Finding("doubled", f"{place}: {seen[name]}"))
        else:
            findings += _differences(place, twin[name], seen[name])
    return findings


def _differences(place: str, twin: Any, seen: Any) -> list[Finding]:
    if twin == seen:
        return []
    if isinstance(twin, dict) and isinstance(seen, dict):
        return compare(twin, seen, f"{place}/")
    if isinstance(twin, list) and isinstance(seen, list):
        wanted, found = (Counter(json.dumps(item, sort_keys=True) for item in side) for side in (twin, seen))
        gone, more = wanted - found, found - wanted
        return [Finding("lost", f"{place}: {item}") for item in gone.elements()] + [
            Finding("doubled", f"{place}: {item}") for item in more.elements()
        ]
    if isinstance(twin, int | float) and isinstance(seen, int | float):
        return [Finding("doubled" if seen > twin else "lost", f"{place}: {seen} instead of {twin}")]
    return [Finding("lost", f"{place}: {seen} instead of {twin}")]


def values(runs: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the runs' tasks returned, by content: digests, not where they lie. Each once: a clear returns the same again."""
    told: list[Any] = []
    for run in runs:
        content = {task: _content(value) for task, value in run["xcom"].items()}
        if content not in told:
            told.append(content)
    return told


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _content(item) for name, item in value.items() if name != "uri"}
    return value
