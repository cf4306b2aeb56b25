"""A service that does not answer: Transient, and the message names the address and the setting."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from include.core.errors import UnreachableError
from include.data.published import newest
from include.rollout.history import live_rollout
from include.versions import queries as versions
from operators.lifecycle import RETRIES
from operators.rollout import OpenRolloutOperator
from tests.support.error_message import assert_says
from tests.support.nursery import DAYS, Nursery
from tests.support.operator_runs import MODEL, Life, Run, settle_in
from tests.support.wired import RegisterModelOperator, RollBackModelOperator, SmokeTestOperator, TrainModelOperator


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Nursery:
    return Nursery(tmp_path_factory.mktemp("unreachable"))


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port that is ours, and where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def assert_retried(error: UnreachableError, *words: str) -> None:
    assert_says(error, *words)
    assert RETRIES.evaluate(error, try_number=1, max_tries=3).action.value == "retry"


def test_ray(nursery: Nursery, monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    nursery.life("registered", monkeypatch)
    life = Life(settle_in(nursery.home, monkeypatch, job_backend="ray", ray_url=nobody))
    run = nursery.run()
    run.xcom["tune"] = life.commit("tune", {"params": {"ridge": 3.0}}, {})  # parameters that nobody has trained with yet
    operator = TrainModelOperator(task_id="train", model=MODEL, where="job")
    request = run.request(operator, life.services)
    with pytest.raises(UnreachableError) as failed:
        run(operator)
    assert_retried(failed.value, nobody, "SLIPSTREAM_RAY_URL", "a job that was submitted before keeps running")
    assert life.services.ledger.request(request.key) == request
    assert life.services.ledger.ended(request.key, 0) == []  # the retry submits under the same name


def test_mlflow(nursery: Nursery, monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    nursery.life("registered", monkeypatch)
    life = Life(settle_in(nursery.home, monkeypatch, registry="mlflow", mlflow_url=nobody))
    run = nursery.run()
    with pytest.raises(UnreachableError) as failed:
        run(RegisterModelOperator(task_id="register", model=MODEL))
    assert_retried(failed.value, nobody, "SLIPSTREAM_MLFLOW_URL", "the retry makes no second version")
    assert run.sent == []
    assert len(versions.records(life.services.control, MODEL)) == 1


def test_the_gateway(nursery: Nursery, monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    nursery.life("registered", monkeypatch)
    life = Life(settle_in(nursery.home, monkeypatch, gateway_url=nobody))
    run = Run({"version": 1})
    run(OpenRolloutOperator(task_id="open", model=MODEL))
    for task in (SmokeTestOperator(task_id="smoke", model=MODEL), RollBackModelOperator(task_id="roll_back", model=MODEL)):
        with pytest.raises(UnreachableError) as failed:
            run(task)
        assert_retried(failed.value, nobody, "SLIPSTREAM_GATEWAY_URL")
    assert (
        live_rollout(life.services.control, MODEL) is None
    )  # safe all the same: the route was taken back before anyone was told


def test_the_control_store(nursery: Nursery, monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    life = nursery.life("published", monkeypatch)
    port = nobody.rpartition(":")[2]
    lost = Life(settle_in(nursery.home, monkeypatch, control_url=f"postgresql://slip:hidden@127.0.0.1:{port}/slip"))
    with pytest.raises(UnreachableError) as failed:
        newest(lost.services.control, MODEL)
    assert_retried(failed.value, f"127.0.0.1:{port}", "SLIPSTREAM_CONTROL_URL", "as a whole or not at all")
    assert "hidden" not in str(failed.value)
    days = newest(life.services.control, MODEL)
    assert days is not None
    assert days.start.day == DAYS
