"""A store with one model, an Airflow of its own, and a clock that a test sets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.backends.process.jobs import ProcessJobs
from include.core.control import ControlStore, audit, decisions, effects, versions
from include.core.ledger import Ledger
from include.core.ports import JobBackend
from include.core.settings import Settings
from include.core.spec import Data, Feature, Features, ModelSpec, Rollout, Training, Triggers
from include.core.storage import LocalStorage
from include.reconcile.run import Report, reconcile, unsent
from include.reconcile.world import World
from include.rollout.history import Rollout as LiveRollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.routing.route import Route, set_route
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)
from tests.support.evidence import begun_and_published
from tests.support.fake_airflow import FakeAirflow, RunState
from tests.support.partition_rows import insert_day

MODEL = "toy"
ROLLOUT, TRAINING, FEATURES = (f"{MODEL}_{part}" for part in ("rollout", "training", "features"))
WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER")
SPEC = ModelSpec(
    name=MODEL,
    owner="tests",
    description="a toy",
    label="late",
    data=Data(sources=("things", "weather"), first=date(2020, 1, 1)),
    features=Features(build="x:a", entities="x:b", labels="x:c", views=(), request=(Feature(name="size"),)),
    expectations="x:d",
    training=Training(fit="x:e"),
    rollout=Rollout(steps=(5, 100)),
)


@dataclass
class Place:
    """Everything under one folder. `look()` is one run of the reconciler."""

    control: ControlStore
    home: Path
    airflow: FakeAirflow = field(default_factory=FakeAirflow)
    spec: ModelSpec = SPEC
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def world(self, **other: Any) -> World:
        settings = Settings.from_env({"SLIPSTREAM_HOME": str(self.home)})
        given = World(
            settings, self.control, Ledger(LocalStorage(self.home / "store")), self.airflow, self.jobs,
            lambda _: self.spec, (MODEL,), self.now, "reconciler",
        )  # fmt: skip
        return replace(given, **other)

    def jobs(self) -> JobBackend:
        return ProcessJobs(self.home / "jobs", {})

    def look(self, *, dry_run: bool = False, **other: Any) -> Report:
        return reconcile(self.world(**other), dry_run=dry_run)

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def told(self) -> list[str]:
        """Events of the alerts that wait to be told, oldest first."""
        return [pending.event for pending in unsent(self.world())]

    def audited(self) -> list[str]:
        with self.control.transaction() as connection:
            return list(connection.execute(sa.select(audit.c.action).order_by(audit.c.seq)).scalars())

    # -- what is there --------------------------------------------------------------------------------

    def version(self, number: int, stage: str = "Candidate", age: timedelta = timedelta(hours=1), **record: Any) -> None:
        at = (self.now - age).isoformat(timespec="milliseconds")
        row = {"key": f"k{number}", "model": MODEL, "version": number, "semver": f"1.{number}.0", "record": record, "at": at}
        with self.control.transaction() as connection:
            connection.execute(versions.insert().values(stage=stage, **row))

    def champion(self, number: int) -> None:
        self.version(number, "Production")
        with self.control.transaction() as connection:
            set_route(connection, MODEL, Route(champion=number))

    def stages(self) -> dict[int, str]:
        with self.control.transaction() as connection:
            return {row.version: row.stage for row in connection.execute(sa.select(versions.c.version, versions.c.stage))}

    def running(self, dag_id: str, run_id: str, **tasks: str) -> None:
        self.airflow.dags.setdefault(dag_id, False)
        self.airflow.runs[dag_id, run_id] = RunState.RUNNING
        self.airflow.states[dag_id, run_id] = tasks

    def canary(self, challenger: int = 2, request: str = f"{ROLLOUT}/r1/open/-1") -> LiveRollout:
        """A rollout in canary_5, driven by the run r1; a gateway counts for it."""
        epoch = self.control.take(f"rollout/{MODEL}", "r1")
        rollout = open_rollout(self.control, SPEC, challenger, request=request, actor="r1", epoch=epoch)
        for stage in ("smoke", "shadow"):
            enter_stage(self.control, rollout, stage, epoch)
            record_verdict(self.control, rollout, stage, {"answer": "promote"}, epoch)
        enter_stage(self.control, rollout, "canary_5", epoch)
        begun_and_published(self.control, SPEC, rollout.id, "canary_5", self.home)
        self.running(ROLLOUT, "r1", open="success", canary_5="deferred", promote="")
        return rollout

    def decided(self, window: str = "2026-01-01/2026-01-08", age: timedelta = timedelta(hours=1), **effect: Any) -> str:
        """A decision to retrain, as the row stands; `effect` is what was kept with it."""
        key, at = f"{MODEL}:{window}", (self.now - age).isoformat(timespec="milliseconds")
        row = {"key": key, "model": MODEL, "as_of": f"{window[-10:]}T00:00:00", "action": "retrain", "reasons": [], "at": at}
        with self.control.transaction() as connection:
            connection.execute(decisions.insert().values(evidence={"words": "drift"}, **row))
            if effect:
                kept = {"key": f"decide/{key}", "resource": "decision/toy", "epoch": 1, "at": at}
                connection.execute(effects.insert().values(result=effect, **kept))
        return key

    def landed(self, day: date, *sources: str) -> None:
        for source in sources or SPEC.data.sources:
            path = self.home / "store" / f"raw/{MODEL}/{source}/date={day}/part.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"parquet")

    def published(self, *days: date) -> None:
        with self.control.transaction() as connection:
            for day in days:
                insert_day(connection, MODEL, day)

    def landing(self) -> None:
        self.spec = self.spec.model_copy(update={"triggers": Triggers(landing=True)})

    def orphaned(self, **rules: Any) -> None:
        self.spec = self.spec.model_copy(update={"rollout": self.spec.rollout.model_copy(update=rules)})


@dataclass
class Writes:
    """SQL that changes something, since the block began."""

    seen: list[str] = field(default_factory=list)

    def see(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(WRITES):
            self.seen.append(statement)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty control store: to copy it is quicker than to make it."""
    path = tmp_path_factory.mktemp("tables") / "control.db"
    ControlStore(f"sqlite:///{path}").create_tables()
    return path


@pytest.fixture
def place(tmp_path: Path, tables: Path) -> Place:
    shutil.copyfile(tables, tmp_path / "control.db")
    return Place(ControlStore(f"sqlite:///{tmp_path / 'control.db'}"), tmp_path)


@pytest.fixture
def anywhere(url: str, tmp_path: Path) -> Place:  # noqa: F811
    """On SQLite and on PostgreSQL."""
    store = ControlStore(url)
    store.create_tables()
    return Place(store, tmp_path)


@pytest.fixture
def writes(place: Place) -> Iterator[Writes]:
    found = Writes()
    sa.event.listen(place.control.engine, "before_cursor_execute", found.see)
    yield found
    sa.event.remove(place.control.engine, "before_cursor_execute", found.see)
