"""Metrics of a training reach a real MLflow once each: through an outage, a kill, two deliverers, registration."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from include.backends.mlflow.names import encoded
from include.backends.mlflow.registry import open_registry
from include.backends.mlflow.rest import MlflowRest, open_rest
from include.backends.mlflow.tracking import TRAINING, Delivery, tracking
from include.core.control import ControlStore
from include.core.errors import PermanentError, SpecError, UnreachableError
from include.core.ledger import metrics_folder
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.governance.registry import register, resource
from include.training.spool import MetricSpool
from tests.support.mlflow_server import PASSWORD, mlflow_server
from tests.support.toy_ledger import MODEL, Loop


@pytest.fixture(scope="module")
def url() -> str:
    return mlflow_server()


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    connection = url.replace("//", f"//admin:{PASSWORD}@")
    return Settings(mlflow_url=url, root=str(tmp_path), environ={"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": connection})


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> MlflowClient:
    return open_registry(settings, ControlStore(f"sqlite:///{tmp_path / 'c.db'}")).client


class Bench:
    """One training's spool, and what MLflow holds of it."""

    def __init__(self, settings: Settings, folder: str, client: MlflowClient) -> None:
        self.settings, self.storage, self.folder, self.client = settings, LocalStorage(settings.root), folder, client

    def spool(self, steps: Sequence[int]) -> None:
        spool = MetricSpool(self.storage, self.folder)
        for step in steps:
            spool.append({"loss": 1 / (step + 1), "auc": step / 7}, step)
        spool.close()

    def delivery(self, rest: MlflowRest | None = None) -> Delivery:
        return Delivery(rest or open_rest(self.settings), self.storage, self.folder, "tracked")

    def runs(self) -> list[str]:
        experiment = self.client.get_experiment_by_name("tracked")
        assert experiment is not None
        found = self.client.search_runs([experiment.experiment_id], f"tags.`{TRAINING}` = '{self.folder}'")
        return [str(run.info.run_id) for run in found]

    def steps(self, metric: str = "loss") -> list[int]:
        (run,) = self.runs()
        return sorted(point.step for point in self.client.get_metric_history(run, metric))


@pytest.fixture
def bench(settings: Settings, client: MlflowClient, tmp_path: Path) -> Bench:
    return Bench(settings, metrics_folder(f"train/{tmp_path.name}", 0), client)


def test_what_is_spooled_arrives_once_with_its_own_times(bench: Bench) -> None:
    bench.spool(range(3))
    assert bench.delivery().deliver() == 6
    bench.spool(range(5))  # a resumed attempt does steps again
    again = bench.delivery()
    assert again.deliver() == 4
    assert again.deliver() == 0
    assert bench.steps("loss") == bench.steps("auc") == [0, 1, 2, 3, 4]
    at = {step: at for _, rows in MetricSpool(bench.storage, bench.folder).read() for step, at, _ in rows}
    points = bench.client.get_metric_history(bench.runs()[0], "auc")
    assert {(point.step, point.timestamp, point.value) for point in points} == {(step, at[step], step / 7) for step in range(5)}


class Cut(MlflowRest):
    """Sends the request and loses the answer, once at each call named."""

    lost: frozenset[str] = frozenset()

    def create_run(self, experiment: str, name: str, tags: Mapping[str, str], start: int) -> str:
        made = super().create_run(experiment, name, tags, start)
        return self._cut("create_run", made)

    def log_batch(self, run_id: str, metrics: Sequence[tuple[str, float, int, int]], tags: Mapping[str, str]) -> None:
        super().log_batch(run_id, metrics, {} if "tags" in self.lost else tags)  # or killed between metrics and tags
        self._cut("log_batch", "")

    def _cut(self, call: str, answer: str) -> str:
        if call in self.lost:
            raise UnreachableError(f"{call} was cut off")
        return answer


@pytest.mark.parametrize("lost", [{"create_run"}, {"log_batch"}, {"log_batch", "tags"}])
def test_a_lost_answer_or_a_kill_doubles_nothing(bench: Bench, lost: set[str]) -> None:
    bench.spool(range(1200))  # three pieces
    cut = Cut(bench.settings.mlflow_url, "admin", PASSWORD)
    cut.lost = frozenset(lost)
    with pytest.raises(UnreachableError):
        bench.delivery(cut).deliver()
    bench.delivery().deliver()
    assert bench.steps() == list(range(1200))


def test_of_deliverers_at_once_one_run_comes(bench: Bench) -> None:
    bench.spool(range(600))
    barrier = threading.Barrier(4)

    def race(_: int) -> None:
        delivery = bench.delivery()
        barrier.wait()
        delivery.deliver()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(race, range(4)))
    bench.spool(range(601))
    bench.delivery().deliver()  # what a loser that was killed left is cleared away by the next to look
    assert bench.steps() == list(range(601))


def test_a_run_that_was_made_and_named_between_two_looks_is_not_taken_for_deleted(bench: Bench) -> None:
    bench.spool(range(3))
    late, runs, others = bench.delivery(), MlflowRest.runs, [bench.delivery()]

    def while_another_delivers(rest: MlflowRest, experiment: str, tag: str, value: str) -> Any:
        found = runs(rest, experiment, tag, value)
        while others:
            others.pop().deliver()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowRest, "runs", while_another_delivers)
        late.deliver()
    assert bench.steps() == [0, 1, 2]


def test_a_run_deleted_on_the_server_is_made_again_with_every_metric(bench: Bench) -> None:
    bench.spool(range(3))
    bench.delivery().deliver()
    bench.client.delete_run(bench.runs()[0])
    bench.spool(range(4))
    bench.delivery().deliver()
    assert bench.steps() == [0, 1, 2, 3]


def test_names_that_mlflow_refuses_arrive_in_another_form_and_none_is_lost(bench: Bench) -> None:
    names = ["recall@10", "huber[delta=1]", "train (mean)", "../x", "m" * 300, "loss"]
    spool = MetricSpool(bench.storage, bench.folder)
    spool.append(dict.fromkeys(names, 0.5), 1)
    spool.close()
    assert bench.delivery().deliver() == len(names)
    run = bench.client.get_run(bench.runs()[0])
    assert set(run.data.metrics) == {encoded(name) for name in names}
    assert "m" * 300 in run.data.tags.values()
    with pytest.raises(SpecError, match="without a name"):
        spool.append({"": 1.0}, 2)


def test_the_run_of_another_store_that_trained_the_same_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    bench.spool(range(3))
    bench.delivery().deliver()
    elsewhere = LocalStorage(tmp_path / "another")
    spool = MetricSpool(elsewhere, bench.folder)
    spool.append({"loss": 0.5}, 7)
    spool.close()
    Delivery(open_rest(bench.settings), elsewhere, bench.folder, "tracked").deliver()
    bench.delivery().deliver()
    found = [sorted(p.step for p in bench.client.get_metric_history(run, "loss")) for run in bench.runs()]
    assert sorted(found) == [[0, 1, 2], [7]]


def test_training_goes_on_while_nobody_answers_and_says_so_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    dead = Settings(mlflow_url="http://127.0.0.1:1", root=bench.settings.root)
    with tracking(dead, bench.storage, bench.folder, "tracked"):
        bench.spool(range(3))
    assert caplog.text.count("metrics wait in the spool") == 1
    bench.delivery().deliver()
    assert bench.steps() == [0, 1, 2]


def test_metrics_show_while_the_training_runs_and_the_run_ends_with_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.backends.mlflow.tracking.Live.EVERY", 0.05)
    with tracking(bench.settings, bench.storage, bench.folder, "tracked"):
        bench.spool(range(3))
        deadline = time.monotonic() + 30
        while not (bench.client.get_experiment_by_name("tracked") and bench.runs() and bench.steps()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert bench.client.get_run(bench.runs()[0]).info.status == "RUNNING"
        bench.spool(range(5))
    assert bench.steps() == [0, 1, 2, 3, 4]
    assert bench.client.get_run(bench.runs()[0]).info.status == "FINISHED"


def test_a_refused_login_is_permanent_and_names_the_connection(bench: Bench) -> None:
    bench.spool(range(1))
    with pytest.raises(PermanentError, match="slipstream_mlflow"):
        bench.delivery(MlflowRest(bench.settings.mlflow_url, "admin", "wrong")).deliver()


def test_registration_delivers_what_is_left_and_the_training_s_run_becomes_the_version_s(
    settings: Settings, client: MlflowClient, tmp_path: Path
) -> None:
    control = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    loop = Loop.under(tmp_path)
    package = loop.package(days=21)
    train = package.facts.train
    spool = MetricSpool(loop.ledger.storage, metrics_folder(train.key, train.generation))
    spool.append({"validation_loss": 0.5}, 10)
    spool.flush()
    delivery = Delivery(open_rest(settings), loop.ledger.storage, spool.folder, MODEL)
    delivery.deliver()
    spool.append({"validation_loss": 0.4}, 20)
    spool.close()
    dead = open_registry(Settings(mlflow_url="http://127.0.0.1:1"), control)
    with pytest.raises(UnreachableError):  # Transient: the task is retried
        register(control, dead, package, control.take(resource(MODEL), "try-1"))
    for attempt in ("try-2", "try-3"):
        record = register(control, open_registry(settings, control), package, control.take(resource(MODEL), attempt))
        assert record.run_id == delivery.run()
    points = client.get_metric_history(record.run_id, "validation_loss")
    assert [(point.step, point.value) for point in points] == [(10, 0.5), (20, 0.4)]
    run = client.get_run(record.run_id)
    assert run.data.tags["slipstream.key"] == package.key
    assert run.data.metrics["auc"] == 0.71
