"""Running a step's function: in this process, or as the body of a job. The kernel's inner half.

A step is a function `run(task: Task) -> Outcome`, named by an import string. It reads its inputs and
parameters from the task and writes files under `task.workdir`; it knows nothing of attempts or commits.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from include.core import error_reports, fault, logs, tracing
from include.core.author import as_slipstream_error, log_exception
from include.core.code_check import require_code
from include.core.errors import SlipstreamError, TimeLimitError
from include.core.ledger import Attempt, Ledger
from include.core.needs import Needs
from include.core.ports import Job
from include.core.private_files import set_mask
from include.core.reference import load
from include.core.request import Outcome, Request, Result
from include.core.requirements import require_met
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.storage import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """All that a step's function may see."""

    request: Request
    attempt: Attempt
    ledger: Ledger
    settings: Settings
    workdir: Path  # scratch of this attempt, removed afterwards

    @property
    def storage(self) -> Storage:
        return self.ledger.storage

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.request.params)

    def input(self, name: str) -> Result:
        """The result behind an input Ref."""
        return self.ledger.resolve(self.request.inputs[name])

    def file(self, name: str, file: str) -> Path:
        """A local, digest-checked path of one file of an input."""
        folder = self.workdir / "inputs" / name
        folder.mkdir(parents=True, exist_ok=True)
        return self.ledger.fetch(self.input(name), file, folder)


Step = Callable[[Task], Outcome]


def perform(request: Request, attempt: Attempt, ledger: Ledger, settings: Settings, step: Step | None = None) -> Result:
    """Call the request's function and commit its outcome. Returns the result that stands.

    `step`: called instead of it, for who has a faster way to the very same outcome.
    Whatever the function raises comes out as one of our errors, which says whether a retry can help.
    """
    attributes = {"slipstream.step": request.step, **described(attempt, request.model)}
    try:
        with logs.fields(model=request.model, key=request.key), tracing.span(f"step {request.step}", attributes):
            require_met(request.model, settings.models)  # also on a node of a cluster, whose environment is its own
            return _perform(request, attempt, ledger, settings, step or cast("Step", load(request.function)))
    except SlipstreamError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of an author's code: any class, any text
        log_exception(error)
        raise as_slipstream_error(error) from None


def _perform(request: Request, attempt: Attempt, ledger: Ledger, settings: Settings, step: Step) -> Result:
    with scratch_folder(settings.scratch()) as folder:
        started, before = time.monotonic(), _cpu_seconds()
        fault.point("task.begin")
        outcome = step(Task(request, attempt, ledger, settings, folder))
        fault.point("task.computed")
        return ledger.commit(request, attempt, outcome, time.monotonic() - started, _cpu_seconds() - before)


def _cpu_seconds() -> float:
    """Of this process, and of its children that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def described(attempt: Attempt, model: str) -> dict[str, str | int]:
    """An attempt as a span names it."""
    return {
        "slipstream.model": model,
        "slipstream.key": attempt.key,
        "slipstream.generation": attempt.generation,
        "slipstream.attempt": attempt.number,
    }


def job_of(attempt: Attempt, ledger: Ledger, needs: Needs | None = None) -> Job:
    """The job that computes an attempt's request: the same whatever the backend. It goes on with the trace and the log of whoever
    submits it. `needs`: its machines and its time, where the spec says so."""
    request, given = ledger.request(attempt.key), needs or Needs()
    return Job(
        attempt.job,
        "include.core.task",
        (attempt.key, "--generation", str(attempt.generation), "--attempt", str(attempt.number)),
        env={**tracing.handed_on(), **logs.handed_on(), **given.handed_on()},
        code=request.code,
        labels={"model": request.model, "step": request.step},
        resources=given.resources,
        workers=given.workers,
        seconds=given.seconds,
    )


def main(argv: list[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """`python -m include.core.task KEY --generation G --attempt N`: the command every job runs.

    `environ` stands for the process's environment, where it holds logins that no environment should.
    """
    parser = argparse.ArgumentParser(prog="include.core.task")
    parser.add_argument("key")
    parser.add_argument("--generation", type=int, required=True)
    parser.add_argument("--attempt", type=int, required=True)
    options = parser.parse_args(argv)
    set_mask()
    settings = Settings.from_env(None if environ is None else dict(environ))
    ledger = Ledger(settings.storage())
    attempt = Attempt(options.key, options.generation, options.attempt)
    with logs.fields(**logs.received()):
        try:
            logs.configure("job", text=logs.OF_A_JOB)
            result = _run(attempt, ledger, settings)
        except SlipstreamError as error:
            ledger.record_error(attempt, error)
            raise
        log.info("committed %s", json.dumps({"path": result.path, "digest": result.digest}))
    return 0


def _run(attempt: Attempt, ledger: Ledger, settings: Settings) -> Result:
    """One attempt, seen from outside as a job of the task that submitted it."""
    error_reports.start("job")
    tracing.start("job")
    request = ledger.request(attempt.key)
    _require_time(attempt)
    require_code(request.source)
    attributes = {"slipstream.job": attempt.job, **described(attempt, request.model)}
    with tracing.span(f"job {request.step}", attributes, tracing.received()):
        return perform(request, attempt, ledger, settings)


def _require_time(attempt: Attempt) -> None:
    """Raises TimeLimitError for a job that got its machine after its time was over: nobody waits for it any more."""
    needs = Needs.received()
    if needs.until and time.time() >= needs.until:
        raise TimeLimitError(
            f"Job {attempt.job} began after its time was over: it may take {needs.seconds:g} s, its wait included.",
            safe="nothing was computed; checkpoints that exist are kept.",
            hint="raise training.time_limit, or ask for machines that are free sooner (training.resources); then clear the task.",
        )


if __name__ == "__main__":
    raise SystemExit(main())
