"""kill -9 in the middle of a fit, then the next attempt: through the kernel, as real processes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.backends.process.jobs import ProcessJobs, open_jobs
from include.core.ledger import Attempt, Ledger
from include.core.ports import JobStatus
from include.core.request import Request, Result
from include.core.task import job_of
from tests.support.training_example import HERE, NETWORK, settings, table, train_request, training_set


@dataclass
class Training:
    ledger: Ledger
    jobs: ProcessJobs
    request: Request

    @classmethod
    def of(cls, home: Path, mark: Path) -> Training:
        """A training that is killed after the checkpoint of step 10, unless `mark` says that it has been."""
        where = settings(home)
        ledger = Ledger(where.storage())
        data = training_set(ledger, home / "in", table(), table(200, seed=2))
        params = {**NETWORK, "mark": str(mark)}
        return cls(ledger, open_jobs(where), train_request(ledger, data, f"{HERE}:fit_killed", params=params))

    def attempt(self) -> tuple[Attempt, JobStatus]:
        attempt = self.ledger.open_attempt(self.request.key, 0)
        self.jobs.submit(job_of(attempt, self.ledger))
        deadline = time.monotonic() + 120
        while not (status := self.jobs.status(attempt.job)).over and time.monotonic() < deadline:
            time.sleep(0.1)
        return attempt, status

    def finish(self) -> tuple[Result, str]:
        attempt, status = self.attempt()
        assert status is JobStatus.SUCCEEDED, self.jobs.logs(attempt.job)
        result = self.ledger.result(attempt.key, 0)
        assert result is not None
        return result, self.jobs.logs(attempt.job, 200)

    def checkpoint(self, step: int) -> Path:
        folder = Path(self.ledger.storage.root, "ledger", self.request.key, "g0", "checkpoints")
        return next(folder.glob(f"step-{step:09d}.*"))


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training whose first attempt died by kill -9 at step 10 of 48."""
    home = tmp_path_factory.mktemp("killed")
    training = Training.of(home, home / "mark")
    attempt, status = training.attempt()
    assert status is JobStatus.FAILED
    assert training.ledger.result(training.request.key, 0) is None
    assert json.loads((home / "mark").read_text()) == [6, 8, 10]
    training.ledger.end_attempt(attempt, "killed")
    return training


@pytest.fixture
def killed(killed_once: Training, tmp_path: Path) -> Iterator[Training]:
    """The same, as it was right after the kill."""
    home = Path(killed_once.ledger.storage.root).parent
    shutil.copytree(home, tmp_path / "before")
    yield killed_once
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "before", home)


@pytest.mark.slow
def test_a_killed_fit_continues_at_its_step_and_ends_with_the_same_model(killed: Training, tmp_path: Path) -> None:
    resumed, log = killed.finish()
    assert "resumed at step 10 of 48" in log
    assert [row["step"] for row in resumed.value["history"]] == [16, 32, 48]

    never = tmp_path / "mark"
    never.write_text("do not kill")
    whole, log = Training.of(tmp_path / "whole", never).finish()
    assert "resumed" not in log
    assert resumed.files["model.onnx"].digest == whole.files["model.onnx"].digest


@pytest.mark.slow
@pytest.mark.whole
def test_damaged_checkpoints_are_skipped_for_the_newest_whole_one(killed: Training) -> None:
    torn, flipped = killed.checkpoint(10), killed.checkpoint(8)
    torn.write_bytes(torn.read_bytes()[:1000])
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    result, log = killed.finish()
    assert f"{torn.name} skipped" in log
    assert f"{flipped.name} skipped" in log
    assert "resumed at step 6 of 48" in log
    assert result.value["metrics"]["auc"] > 0.7


@pytest.mark.slow
@pytest.mark.whole
def test_a_fit_that_was_killed_between_its_end_and_the_commit_is_not_repeated(killed: Training) -> None:
    first, _ = killed.finish()
    Path(killed.ledger.storage.root, first.path).unlink()
    killed.ledger.end_attempt(killed.ledger.open_attempt(killed.request.key, 0), "killed")
    second, log = killed.finish()
    assert second.digest == first.digest
    assert "resumed" not in log
