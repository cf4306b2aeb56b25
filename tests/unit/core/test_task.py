from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from include.core.errors import DataError, IntegrityError, JobFailedError, SpecError
from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request, Result
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.core.task import Task, perform

HERE = __name__


def double(task: Task) -> Outcome:
    path = task.workdir / "out.txt"
    path.write_text(str(2 * int(task.params["n"])))
    return Outcome({"n": 2 * int(task.params["n"])}, {"out.txt": path})


def read_upstream(task: Task) -> Outcome:
    return Outcome({"value": task.input("up").value["n"], "text": task.file("up", "out.txt").read_text()})


def refuse(task: Task) -> Outcome:
    raise DataError("No rows.", seen=task.params["n"], hint="land some")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger(LocalStorage(settings.root))


def do(function: str, ledger: Ledger, settings: Settings, up: Ref | None = None) -> Result:
    request = Request("double", f"{HERE}:{function}", "toy", {"n": 21}, {"up": up} if up else {})
    return perform(request, ledger.open_attempt(request.key, 0), ledger, settings)


def test_perform_commits_the_outcome_and_removes_the_scratch(ledger: Ledger, settings: Settings) -> None:
    result = do("double", ledger, settings)
    assert result.value == {"n": 42}
    assert ledger.storage.read(result.files["out.txt"].path) == b"42"
    assert ledger.result(result.key) == result
    assert list(settings.scratch().iterdir()) == []


def test_a_step_reads_its_inputs_by_name(ledger: Ledger, settings: Settings) -> None:
    up = ledger.ref(do("double", ledger, settings))
    assert do("read_upstream", ledger, settings, up).value == {"value": 42, "text": "42"}


def test_a_damaged_input_is_not_read(ledger: Ledger, settings: Settings) -> None:
    upstream = do("double", ledger, settings)
    ledger.storage.write(upstream.files["out.txt"].path, b"43")
    with pytest.raises(IntegrityError, match=r"out\.txt does not match its digest"):
        do("read_upstream", ledger, settings, ledger.ref(upstream))


def test_a_step_that_fails_commits_nothing_and_leaves_no_scratch(ledger: Ledger, settings: Settings) -> None:
    with pytest.raises(DataError, match="No rows"):
        do("refuse", ledger, settings)
    assert not [path for path in ledger.storage.list("ledger") if path.endswith("result.json")]
    assert list(settings.scratch().iterdir()) == []


def test_a_function_that_cannot_be_imported_is_named(ledger: Ledger, settings: Settings) -> None:
    with pytest.raises(SpecError, match=f"{HERE}:nothing"):
        do("nothing", ledger, settings)


def as_job(
    function: str, ledger: Ledger, home: Path, modules: dict[str, str] | None = None
) -> tuple[Request, subprocess.CompletedProcess[str]]:
    """What a job backend runs: nothing but the key, and the environment."""
    request = Request("double", f"{HERE}:{function}", "toy", {"n": 21}, modules=modules or {})
    ledger.record(request)
    attempt = ledger.open_attempt(request.key, 0)
    command = [sys.executable, "-m", "include.core.task", request.key, "--generation", "0", "--attempt", str(attempt.number)]
    environ = {**os.environ, "SLIPSTREAM_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    return request, subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False, cwd=home)


def test_a_job_computes_the_same_by_its_key_alone(ledger: Ledger, settings: Settings) -> None:
    request, finished = as_job("double", ledger, settings.home)
    assert finished.returncode == 0, finished.stderr
    result = ledger.result(request.key)
    assert result is not None
    assert result.value == {"n": 42}
    said = json.loads(finished.stderr.split("committed ")[1])
    assert said == {"path": result.path, "digest": result.digest}


def test_a_job_that_fails_leaves_its_error_for_the_task_that_waits(ledger: Ledger, settings: Settings) -> None:
    request, finished = as_job("refuse", ledger, settings.home)
    assert finished.returncode == 1
    assert "No rows." in finished.stderr
    error = ledger.error(ledger.open_attempt(request.key, 0))
    assert isinstance(error, DataError)
    assert (error.what, error.hint) == ("No rows.", "land some")


def test_a_job_does_not_run_other_code_than_its_task_asked_for(ledger: Ledger, settings: Settings) -> None:
    request, finished = as_job("double", ledger, settings.home, {"include.core.task": "of another commit"})
    assert finished.returncode == 1
    assert ledger.result(request.key) is None
    error = ledger.error(ledger.open_attempt(request.key, 0))
    assert isinstance(error, JobFailedError)
    assert "include.core.task" in str(error)
