"""A rollout as its tasks do it: a real gateway, real traffic, every task an operator with its own trigger."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from onnx import numpy_helper

from include.core.digest import PROJECT
from include.core.errors import ConflictError, DataError, FencedError, GateClosed, UnreachableError
from include.rollout.history import list_rollouts, live_rollout
from include.rollout.machine import enter_stage
from include.routing.route import read_route
from include.serving.client import GatewayClient
from include.versions import queries as versions
from operators.rollout import OpenRolloutOperator
from tests.support.callers import asking, wait_for_gateway
from tests.support.error_message import assert_says
from tests.support.nursery import Nursery
from tests.support.operator_runs import MODEL, Life, Run, settle_in
from tests.support.wired import (
    PromoteModelOperator,
    RegisterModelOperator,
    RollBackModelOperator,
    RolloutStageOperator,
    SmokeTestOperator,
)
from tests.unit.operators.models.shop.orders import CUSTOMERS

STAGES = ("shadow", "canary_50", "full_100")


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("operators.rollout.EVALUATE_SECONDS", 0.1)
    monkeypatch.setattr("operators.rollout.LOOK_SECONDS", 0.0)
    return monkeypatch


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Nursery:
    return Nursery(tmp_path_factory.mktemp("rollouts"))


@dataclass
class Shop:
    """The shop's life with its gateway, and customers who never stop asking."""

    life: Life
    first: Run  # the training run of version 1
    client: GatewayClient
    versions_seen: list[int | None] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def open(self, version: int, run_id: str = "", **run: Any) -> Run:
        made = Run({"version": version}, run_id=run_id or f"manual__{version}", **run)
        made(OpenRolloutOperator(task_id="open", model=MODEL))
        return made

    def walk(self, run: Run, until: str = "promote") -> Run:
        """smoke → stages → promote, as the DAG would."""
        tasks: list[Any] = [SmokeTestOperator(task_id="smoke", model=MODEL)]
        tasks += [RolloutStageOperator(task_id=name, model=MODEL, stage=name) for name in STAGES]
        tasks.append(PromoteModelOperator(task_id="promote", model=MODEL))
        for task in tasks:
            run(task)
            if task.task_id == until:
                break
        return run

    def back(self, run: Run) -> dict[str, Any]:
        value: dict[str, Any] = run(RollBackModelOperator(task_id="roll_back", model=MODEL))
        return value

    def broken(self, change: Callable[[onnx.ModelProto], None], name: str) -> int:
        """Another version: the first one's file, changed. Registered, never evaluated again."""
        made = self.life.result(self.first.xcom["train"])
        model = onnx.load(self.life.path(made, "model.onnx"))
        change(model)
        path = self.life.services.settings.scratch() / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        run = Run(xcom=dict(self.first.xcom))
        self.life.retrained(run, {"model.onnx": path}, name=name)
        version: int = run(RegisterModelOperator(task_id="register", model=MODEL))["version"]
        return version

    def stages(self) -> dict[int, str]:
        return {one.version: str(one.stage) for one in versions.records(self.life.services.control, MODEL)}

    def serving(self) -> int | None:
        return read_route(self.life.services.control, MODEL)[1].champion

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Traffic from here to the end of the block; no request may fail."""
        with asking(self._ask, self.failures):
            yield

    def _ask(self, stop: threading.Event) -> None:
        client = GatewayClient(self.client.url, "secret")
        prices = itertools.cycle(float(price) for price in range(1, 80, 7))
        while not stop.is_set():
            requests = [
                {"entity": {"customer": customer}, "features": {"price": next(prices), "shelf": "low"}} for customer in CUSTOMERS
            ]
            try:
                self.versions_seen += [answer["version"] for answer in client.predict_batch(MODEL, requests)]
            except DataError as error:
                if self.serving() is not None:  # before the first champion nobody answers
                    self.failures.append(str(error))
            except UnreachableError as error:
                if self.serving() is not None:
                    self.failures.append(str(error))
            time.sleep(0.05)
        client.close()


def dear_is_cheap(model: onnx.ModelProto) -> None:
    """The weights' signs turned: its scores are far off."""
    for tensor in model.graph.initializer:
        if tensor.name == "weights":
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))


def twice_a_probability(model: onnx.ModelProto) -> None:
    """Its scores reach 2: no probabilities."""
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.output[0] = "half"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(2.0, np.float32), "two"))
    model.graph.node.append(onnx.helper.make_node("Mul", ["half", "two"], ["score"]))


def a_little_other(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == "bias":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(0.05), tensor.name))


@pytest.fixture
def shop(nursery: Nursery, patch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    nursery.life("registered", patch)
    life = Life(settle_in(nursery.home, patch, gateway_url=url))
    log = (nursery.home / "gateway.log").open("wb")
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    gateway = subprocess.Popen([sys.executable, "-m", "include.gateway"], env=env, cwd=PROJECT, stdout=log, stderr=log)
    try:
        wait_for_gateway(url, gateway, nursery.home / "gateway.log")
        yield Shop(life, nursery.run(), GatewayClient(url, "secret"))
    finally:
        gateway.terminate()
        gateway.wait(20)
        log.close()


def test_versions_walk_the_stages_and_the_bad_ones_are_rolled_back_by_the_first_that_sees_it(shop: Shop) -> None:
    """One story, because each chapter needs the champion of the one before."""
    with shop.asked():
        _the_first_version_is_promoted(shop)
        _a_close_challenger_is_promoted(shop)
        _one_that_gives_no_probabilities_fails_its_smoke_test(shop)
        _one_whose_scores_are_far_off_is_rolled_back_in_shadow(shop)
    answered = set(shop.versions_seen)
    assert {1, 2} <= answered <= {None, 1, 2}  # the bad ones never answered anybody
    assert shop.life.services.control.broken_audit_rows() == []


def _the_first_version_is_promoted(shop: Shop) -> None:
    run = shop.walk(shop.open(1))
    assert run.xcom["promote"]["champion"] == 1
    assert (shop.serving(), shop.stages()[1]) == (1, "Production")
    with pytest.raises(AirflowSkipException, match="was promoted: version 1 goes on serving"):  # whatever else fails
        shop.back(run)

    event = Run(run_id="asset__again", event={"version": 1})
    with pytest.raises(AirflowSkipException, match="Version 1 had its rollout already: promoted"):
        event(OpenRolloutOperator(task_id="open", model=MODEL))


def _a_close_challenger_is_promoted(shop: Shop) -> None:
    version = shop.broken(a_little_other, "close")
    run = Run(run_id="asset__2", event={"version": version, "as_of": "2013-01-05T00:00:00"})
    run(OpenRolloutOperator(task_id="open", model=MODEL))
    shop.walk(run)
    assert all(run.xcom[stage]["answer"] == "promote" for stage in STAGES)
    again = run(PromoteModelOperator(task_id="promote", model=MODEL))  # cleared: nothing happens twice
    assert again == run.xcom["promote"]
    assert shop.stages() == {1: "Archived", version: "Production"}
    _, route = read_route(shop.life.services.control, MODEL)
    assert (route.champion, route.previous, route.weight) == (version, 1, 0)


def _one_that_gives_no_probabilities_fails_its_smoke_test(shop: Shop) -> None:
    version = shop.broken(twice_a_probability, "no probabilities")
    run = shop.open(version)
    with pytest.raises(GateClosed) as refused:
        shop.walk(run)
    assert_says(refused.value, f"The smoke test of shop version {version} failed", "gave no probability", "no traffic was sent")
    assert shop.back(run)["champion"] == shop.serving() == 2
    assert shop.stages()[version] == "Archived"


def _one_whose_scores_are_far_off_is_rolled_back_in_shadow(shop: Shop) -> None:
    version = shop.broken(dear_is_cheap, "far off")
    run = shop.open(version)
    with pytest.raises(GateClosed) as refused:
        shop.walk(run)
    assert_says(refused.value, f"shadow of version {version}", "its scores differ from the champion's", "version 2 serves all")
    assert shop.back(run) == shop.back(run)
    assert list_rollouts(shop.life.services.control, MODEL)[-1].state == "rolled_back"
    with pytest.raises(GateClosed, match="is over: rolled_back"):  # a cleared stage of a rollout that is over
        run(RolloutStageOperator(task_id="canary_50", model=MODEL, stage="canary_50"))


def test_what_is_refused_and_what_stays(shop: Shop) -> None:
    """Without traffic: opening, fencing, and a rollback of nothing."""
    control = shop.life.services.control
    with pytest.raises(DataError, match=r"(?s)names no version to roll out.*version=N"):
        Run()(OpenRolloutOperator(task_id="open", model=MODEL))
    with pytest.raises(DataError, match="no registered version 77"):
        shop.open(77)
    with pytest.raises(AirflowSkipException, match="No rollout was opened"):
        shop.back(Run())

    run = shop.open(1)
    again = Run({"version": 1}, run_id="manual__1")(OpenRolloutOperator(task_id="open", model=MODEL))
    assert again == run.xcom["open"]  # retried or cleared: the same rollout
    other = shop.broken(a_little_other, "other")
    with pytest.raises(ConflictError) as busy:  # two runs of the DAG at once
        shop.open(other, run_id="manual__other")
    assert_says(busy.value, "shop has a live rollout", "challenger 1", "slipstream rollback shop")

    old = control.take("rollout/shop", "an old attempt")  # it pauses here, and a new one starts
    shop.walk(run, until="smoke")
    rollout = live_rollout(control, MODEL)
    assert rollout is not None
    before = read_route(control, MODEL)
    with pytest.raises(FencedError) as late:
        enter_stage(control, rollout, "shadow", old)
    assert_says(late.value, "rollout/shop was taken over by shop_dag/manual__1/smoke", "this attempt changed nothing")
    with pytest.raises(GateClosed, match="has no verdict `promote` for shadow"):  # no stage is skipped
        run(RolloutStageOperator(task_id="canary_50", model=MODEL, stage="canary_50"))
    assert read_route(control, MODEL) == before
    assert shop.back(run)["rolled_back"] == 1
