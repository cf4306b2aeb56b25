"""The life of a model without a scheduler: real operators, ledger, control store and registry; runs are made by hand."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.triggers.base import BaseTrigger

from include.core.partition import Partition
from include.core.request import Outcome, Ref, Request, Result
from include.data.raw import RawPartitions
from include.services.services import Services
from operators.hooks import open_services
from operators.training import PlanTrainingOperator
from operators.validation import ValidateDataOperator
from tests.support.wired import (
    BuildTrainingSetOperator,
    CheckGateOperator,
    EvaluateModelOperator,
    MaterializeFeaturesOperator,
    PublishFeaturesOperator,
    RegisterModelOperator,
    TrainModelOperator,
    ValidateTrainingSetOperator,
)
from tests.unit.operators.models.shop.orders import orders_of, returns_of

MODEL = "shop"
FIRST = date(2013, 1, 1)
NOBODY = "http://:secret@127.0.0.1:1"  # a connection to a port where nobody listens


def day(number: int) -> date:
    """The first day is 1."""
    return FIRST + timedelta(days=number - 1)


def midnight(when: date) -> datetime:
    return datetime(when.year, when.month, when.day, tzinfo=UTC)


def settle_in(home: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Services:
    """Services whose every store lies under `home`; nothing of a real installation is reachable."""
    for name in ("ROOT", "CONTROL_URL", "ONLINE_URL", "MLFLOW_URL", "RAY_URL", "GATEWAY_URL"):
        monkeypatch.delenv(f"SLIPSTREAM_{name}", raising=False)
    given = {"home": str(home), "models": "tests.unit.operators.models", "job_backend": "process", "registry": "folder"}
    for name, value in {**given, **settings}.items():
        monkeypatch.setenv(f"SLIPSTREAM_{name.upper()}", value)
    for name in ("RAY", "MLFLOW", "GATEWAY"):
        monkeypatch.setenv(f"AIRFLOW_CONN_SLIPSTREAM_{name}", NOBODY)
    return open_services()


@dataclass
class Run:
    """One DAG run as its tasks see it: calling it with an operator runs that task and keeps its XCom."""

    params: dict[str, Any] = field(default_factory=dict)
    run_id: str = "manual__1"
    run_type: str = "manual"
    user: str | None = None  # who asked for it
    interval: tuple[date, date] | None = None
    event: dict[str, Any] | None = None  # `extra` of the asset event that started it
    earlier: tuple[dict[str, Any], ...] = ()  # of events that waited together with it
    conf: dict[str, Any] = field(default_factory=dict)
    xcom: dict[str, Any] = field(default_factory=dict)
    outlet_events: Any = field(default_factory=OutletEventAccessors)

    def context(self, task_id: str, try_number: int = 1) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="shop_dag", run_id=self.run_id, task_id=task_id, map_index=-1, try_number=try_number, id=uuid4(),
            stats_tags={}, xcom_push=lambda key, value: self.xcom.__setitem__(f"{task_id}/{key}", value),
            xcom_pull=lambda task_ids, key="", map_indexes=None: self.xcom.get(f"{task_ids}/{key}" if key else task_ids),
        )  # fmt: skip
        made = {
            "ti": ti,
            "params": self.params,
            "dag_run": SimpleNamespace(run_type=self.run_type, conf=self.conf, triggering_user_name=self.user),
            "outlet_events": self.outlet_events,
        }
        if self.interval:
            made["data_interval_start"], made["data_interval_end"] = map(midnight, self.interval)
        if self.event is not None:
            made["triggering_asset_events"] = {"asset": [SimpleNamespace(extra=extra) for extra in (*self.earlier, self.event)]}
        return made

    def __call__(self, operator: Any, try_number: int = 1) -> Any:
        context = self.context(operator.task_id, try_number)
        try:
            value = rendered(operator, context).execute(context)
        except TaskDeferred as deferred:
            value = _trigger(operator, context, deferred)
        self.xcom[operator.task_id] = value
        return value

    def task(self, operator: Any) -> Any:
        """The operator as a task of the run has it."""
        return rendered(operator, self.context(operator.task_id))

    def request(self, operator: Any, services: Services) -> Request:
        """What a task of the run would ask for now."""
        context = self.context(operator.task_id)
        request: Request = rendered(operator, context).build(context, services)
        return request

    @property
    def sent(self) -> list[tuple[str, dict[str, Any]]]:
        """The events its tasks sent: (asset, extra)."""
        events = [event for accessor in self.outlet_events.values() for event in accessor.asset_alias_events]
        return [(event.dest_asset_key.name, dict(event.extra)) for event in events]


def rendered(operator: Any, context: dict[str, Any]) -> Any:
    """The operator as its task has it: a copy whose templated arguments are filled in, anew in each process."""
    copy = operator.prepare_for_execution()
    copy.render_template_fields(context)
    return copy


def fired(trigger: BaseTrigger) -> Any:
    """What its first event says."""

    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(first())


def _trigger(operator: Any, context: dict[str, Any], deferred: TaskDeferred) -> Any:
    """What the triggerer and the task after it do; a task may defer more than once."""
    payload = fired(deferred.trigger)
    try:
        resumed = rendered(operator, context)
        return getattr(resumed, deferred.method_name)(context, event=payload, **(deferred.kwargs or {}))
    except TaskDeferred as again:
        return _trigger(operator, context, again)


@dataclass
class Life:
    """The shop's life: land days, make features of them, train."""

    services: Services
    model: str = MODEL

    @property
    def raw(self) -> RawPartitions:
        return RawPartitions(self.services.storage, self.model)

    def put(self, source: str, when: Partition | date, table: pa.Table) -> str:
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        self.services.storage.write(self.raw.path(source, when), buffer.getvalue())
        return self.services.storage.uri(self.raw.path(source, when))

    def land(self, when: date, orders: dict[str, Any] | None = None, returns: dict[str, Any] | None = None) -> None:
        self.put("orders", when, orders_of(when, **(orders or {})))
        self.put("returns", when, returns_of(when, **(returns or {})))

    def publish(self, when: Partition | date, run: Run | None = None) -> Run:
        """validate → publish."""
        run = run or Run({"day": when.isoformat()})
        run(ValidateDataOperator(task_id="validate", model=self.model))
        run(PublishFeaturesOperator(task_id="publish", model=self.model))
        return run

    def materialize(self, run: Run) -> Any:
        return run(MaterializeFeaturesOperator(task_id="materialize", model=self.model))

    def days(self, count: int, returns: dict[str, Any] | None = None) -> None:
        for number in range(1, count + 1):
            self.land(day(number), returns=returns)
            self.publish(day(number))

    def snapshot(self, run: Run) -> Run:
        """plan → training set."""
        run(PlanTrainingOperator(task_id="plan", model=self.model))
        run(BuildTrainingSetOperator(task_id="build_training_set", model=self.model))
        return run

    def trained(self, run: Run | None = None, where: Any = "process") -> Run:
        """plan → training set → its verdict → train → evaluate → gate: all before `register`."""
        run = self.snapshot(run or Run())
        run(ValidateTrainingSetOperator(task_id="validate_training_set", model=self.model))
        run(TrainModelOperator(task_id="train", model=self.model, where=where, poll_seconds=0.05))
        run(EvaluateModelOperator(task_id="evaluate", model=self.model))
        run(CheckGateOperator(task_id="gate", model=self.model))
        return run

    def registered(self, run: Run | None = None) -> Run:
        run = self.trained(run)
        run(RegisterModelOperator(task_id="register", model=self.model))
        return run

    def result(self, xcom: dict[str, str]) -> Result:
        return self.services.ledger.resolve(Ref.from_json(xcom))

    def path(self, result: Result, name: str) -> Path:
        return Path(self.services.storage.uri(result.files[name].path))

    def commit(self, step: str, value: Mapping[str, Any], files: dict[str, Path]) -> dict[str, str]:
        """A result made by hand, as an XCom value."""
        request = Request(step, "tests:none", self.model, {"made by hand": [step, dict(value), sorted(map(str, files.values()))]})
        ledger = self.services.ledger
        ledger.record(request)
        return ledger.ref(ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome(value, files), 0.0)).to_json()

    def retrained(self, run: Run, others: Mapping[str, Path] | None = None, **value: object) -> None:
        """Put another trained result into the run, of the same files but for `others`, and an evaluation of it."""
        for step, replaced in (("train", others or {}), ("evaluate", {})):
            made = self.result(run.xcom[step])
            files = {name: self.path(made, name) for name in made.files} | dict(replaced)
            run.xcom[step] = self.commit(step, {**made.value, **value}, files)

    def table(self, result: Result, name: str) -> pa.Table:
        return pq.ParquetFile(self.path(result, name)).read()
