"""What counts as a training under way, so that no second one is decided on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.errors import UnreachableError
from include.core.ledger import Ledger
from include.core.ports import JobStatus
from include.core.request import Request
from operators.monitoring import running
from tests.support.training_example import settings


def services(home: Path, status: Any) -> Any:
    """A ledger with an open training of `m` and one of another model, and a job backend that says `status` of both."""
    ledger = Ledger(settings(home).storage())
    for model in ("m", "other"):
        request = Request("train", "x:y", model, {})
        ledger.record(request)
        ledger.open_attempt(request.key, 0)

    def ask(_: str) -> JobStatus:
        if isinstance(status, Exception):
            raise status
        return status

    return SimpleNamespace(ledger=ledger, jobs=lambda: SimpleNamespace(status=ask))


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.RUNNING])
def test_a_job_of_the_model_that_runs_freezes_its_decisions(tmp_path: Path, status: JobStatus) -> None:
    found = running(services(tmp_path, status), "m")
    assert len(found) == 1
    assert found[0].startswith("job ")


@pytest.mark.parametrize("status", [JobStatus.UNKNOWN, JobStatus.FAILED, JobStatus.STOPPED])
def test_an_attempt_that_was_given_up_freezes_nothing(tmp_path: Path, status: JobStatus) -> None:
    assert running(services(tmp_path, status), "m") == ()


def test_a_backend_that_does_not_answer_may_still_be_training(tmp_path: Path) -> None:
    found = running(services(tmp_path, UnreachableError("Ray is away.")), "m")
    assert "whose backend does not answer" in found[0]


def test_nothing_open_asks_nobody(tmp_path: Path) -> None:
    assert running(SimpleNamespace(ledger=Ledger(settings(tmp_path).storage())), "m") == ()  # type: ignore[arg-type]
