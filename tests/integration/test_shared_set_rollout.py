"""Two models on one feature set of hours, through a rollout that moves one of them to another version of it: a real gateway."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import onnxruntime
import pytest

from include.cli.exits import Exit
from include.cli.main import main
from include.core.digest import PROJECT
from include.routing.route import Route, read_route
from include.serving.client import GatewayClient
from include.versions import queries
from operators.rollout import OpenRolloutOperator
from tests.support.callers import asking, wait_for_gateway
from tests.support.operator_runs import Run
from tests.support.shared_life import DEAR, RETURNS, SET, SharedLife, begin
from tests.support.wired import PromoteModelOperator, RolloutStageOperator, SmokeTestOperator
from tests.unit.operators.models.shop.orders import CUSTOMERS

pytestmark = [pytest.mark.whole, pytest.mark.timeout(600)]
DAYS = 4
CHANGE = "avg(price) AS mean_price", "10 * avg(price) AS mean_price"


@dataclass
class Served:
    """The life with a gateway of its own, and callers who ask both models for everybody."""

    life: SharedLife
    url: str
    answers: list[tuple[str, str, float, dict[str, Any]]] = field(default_factory=list)  # model, customer, price, answer
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Callers from here to the end of the block; none may be failed."""
        with asking(self._ask, self.failures):
            yield

    def _ask(self, stop: threading.Event) -> None:
        client = GatewayClient(self.url, "secret")
        prices = itertools.cycle(float(price) for price in range(1, 80, 7))
        while not stop.is_set():
            for model in (RETURNS, DEAR):
                asked = [(customer, next(prices)) for customer in CUSTOMERS]
                requests = [request_of(model, *each) for each in asked]
                try:
                    answered = client.predict_batch(model, requests)
                    self.answers += [(model, *each, answer) for each, answer in zip(asked, answered, strict=True)]
                except Exception as error:  # noqa: BLE001 - whatever failed a caller is what the test is about
                    self.failures.append(f"{model}: {error!r}")
            time.sleep(0.05)
        client.close()

    def roll_out(self, model: str, version: int) -> Run:
        """open → smoke → stages → promote, as the rollout's DAG would."""
        run = Run({"version": version}, run_id=f"manual__{model}_{version}")
        run(OpenRolloutOperator(task_id="open", model=model))
        run(SmokeTestOperator(task_id="smoke", model=model))
        for stage in ("shadow", "canary_50", "full_100"):
            run(RolloutStageOperator(task_id=stage, model=model, stage=stage))
        run(PromoteModelOperator(task_id="promote", model=model))
        return run


def request_of(model: str, customer: str, price: float) -> dict[str, Any]:
    if model == RETURNS:
        return {"entity": {"customer": customer}, "features": {"price": price}}
    return {"entity": {"customer": customer, "shelf": "low"}, "features": {"low": 1}}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr("operators.rollout.EVALUATE_SECONDS", 0.1)
    monkeypatch.setattr("operators.rollout.LOOK_SECONDS", 0.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    life = begin(tmp_path, monkeypatch)
    monkeypatch.setenv("SLIPSTREAM_GATEWAY_URL", url)
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_GATEWAY", url.replace("http://", "http://:secret@"))
    life.cut_hourly()
    life.edit("ttl=timedelta(days=2)", "ttl=timedelta(days=36500)", "feature_set.py")  # the gateway's now is not 2013
    few = "steps=(50, 100), shadow_requests=30, step_requests=20, alpha=0.0001, margin=10, error_floor=0.05, score_tolerance=None"
    life.edit("steps=(50, 100)", few, "spec.py", of=RETURNS)  # forty customers can show no small error rate
    life.days(DAYS)
    for model in (RETURNS, DEAR):
        life.train(model)
        life.route(model, Route(champion=1))
    log = tmp_path / "gateway.log"
    with log.open("wb") as out:
        environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
        gateway = subprocess.Popen([sys.executable, "-m", "include.gateway"], env=environ, cwd=PROJECT, stdout=out, stderr=out)
        try:
            wait_for_gateway(url, gateway, log, "ready")
            yield Served(life, url)
        finally:
            gateway.terminate()
            gateway.wait(30)


def mean_prices(life: SharedLife) -> dict[str, tuple[float, float]]:
    """By customer the newest mean price and count, from the raw purchases alone."""
    files = str(Path(life.services.settings.root) / "raw" / SET / "purchases" / "**" / "*.parquet")
    query = f"""
        SELECT customer, avg(price), count(*) FROM read_parquet('{files}', hive_partitioning = false)
        GROUP BY customer, date_trunc('minute', ordered_at)
        QUALIFY row_number() OVER (PARTITION BY customer ORDER BY date_trunc('minute', ordered_at) DESC) = 1
    """
    return {name: (price, count) for name, price, count in duckdb.sql(query).fetchall()}


def scores(life: SharedLife, version: int, inputs: list[dict[str, float]]) -> list[float]:
    """What the version's file says of these inputs."""
    services = life.services
    record = next(each for each in queries.records(services.control, RETURNS) if each.version == version)
    made = services.ledger.resolve(record.entry.lineage.train)
    signature = json.loads(life.of(RETURNS).path(made, "signature.json").read_text())
    session = onnxruntime.InferenceSession(life.of(RETURNS).path(made, "model.onnx"))
    names = [each["name"] for each in signature["inputs"]]
    rows = np.array([[each[name] for name in names] for each in inputs], np.float32)
    return [float(each) for each in session.run(None, {session.get_inputs()[0].name: rows})[0].reshape(-1)]


def test_one_model_moves_to_another_version_of_the_set_and_the_other_stays(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    life = served.life
    old = life.version()
    life.edit(*CHANGE)
    new = life.version()
    assert main(["features", "impact", SET]) == Exit.FOUND
    said = capsys.readouterr().out
    assert f"{DAYS * 24}" in said
    assert {RETURNS, DEAR} <= set(said.replace(",", " ").split())
    life.take_in(SET, DAYS)
    life.train(RETURNS)
    with served.asked():
        served.roll_out(RETURNS, 2)
    assert read_route(life.services.control, RETURNS)[1].champion == 2
    assert read_route(life.services.control, DEAR)[1].champion == 1
    _each_version_was_asked_with_its_own_definition(served)
    assert main(["features", "catalogue", SET]) == 0
    shown = capsys.readouterr().out
    assert old != new
    assert {RETURNS, DEAR} <= {word.strip(",") for word in shown.split()}


def _each_version_was_asked_with_its_own_definition(served: Served) -> None:
    """To the last bits of a float32: version 1 saw the mean price, version 2 ten times of it, in the same seconds."""
    known = mean_prices(served.life)
    seen = {1: 0, 2: 0}
    for version, times in ((1, 1.0), (2, 10.0)):
        asked = [each[1:] for each in served.answers if (each[0], each[3]["version"]) == (RETURNS, version)]
        inputs = [{"mean_price": times * known[who][0], "bought": known[who][1], "price": price} for who, price, _ in asked]
        assert [answer["score"] for *_, answer in asked] == pytest.approx(scores(served.life, version, inputs), abs=1e-6)
        seen[version] = len(asked)
    assert min(seen.values()) > 100, seen
    assert {answer["version"] for model, *_, answer in served.answers if model == DEAR} == {1}
    assert not any(answer.get("degraded") for *_, answer in served.answers)
