"""A job that is a process of this machine: refused what the machine lacks, and its death for want of memory told from others."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from include.backends.process.jobs import ProcessJobs
from include.core import cgroup
from include.core.errors import SpecError
from include.core.memory_limit import KILLED
from include.core.ports import Job, JobStatus
from include.core.spec.resources import Resources

JOB = Job("slip-train-x-g0-a1", "tests.contract.job_body", ("import os; os.kill(os.getpid(), 9)",))


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What counts the kernel's kills in the job's cgroup."""
    file = tmp_path / "memory.events"
    file.write_text("oom_kill 4\n")
    monkeypatch.setattr(cgroup, "oom_kills", lambda: cgroup.OomKills(file, 4))
    return file


@pytest.fixture
def jobs(tmp_path: Path) -> ProcessJobs:
    return ProcessJobs(tmp_path / "jobs", dict(os.environ))


def left(jobs: ProcessJobs, tmp_path: Path, status: str, count: int) -> str:
    """The log of a job that ended with that status, when so many kills had been counted at its start."""
    folder = tmp_path / "jobs" / JOB.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log").write_text("epoch 1\nepoch 2\n")
    (folder / "exit").write_text(status)
    (folder / "kills").write_text(f"{count} {tmp_path / 'memory.events'}")
    return jobs.logs(JOB.name, 2)


def test_a_kill_that_the_kernel_counted_is_said_below_the_log(jobs: ProcessJobs, counter: Path, tmp_path: Path) -> None:
    assert left(jobs, tmp_path, "137", 3) == f"epoch 2\n{KILLED}"
    assert left(jobs, tmp_path, "137", 4) == "epoch 1\nepoch 2"  # somebody else's kill
    assert left(jobs, tmp_path, "1", 3) == "epoch 1\nepoch 2"
    (tmp_path / "jobs" / JOB.name / "kills").unlink()  # a job of an earlier release
    assert jobs.logs(JOB.name, 2) == "epoch 1\nepoch 2"


@pytest.mark.lives
def test_the_count_is_noted_before_the_job_starts(jobs: ProcessJobs, counter: Path, tmp_path: Path) -> None:
    jobs.submit(JOB)
    until = time.monotonic() + 30
    while not jobs.status(JOB.name).over and time.monotonic() < until:
        time.sleep(0.05)
    assert jobs.status(JOB.name) is JobStatus.FAILED
    assert KILLED not in jobs.logs(JOB.name)
    counter.write_text("oom_kill 5\n")
    assert jobs.logs(JOB.name).endswith(KILLED)


def test_what_the_machine_lacks_is_refused_before_the_name_is_taken(jobs: ProcessJobs, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"(?s)nodes=2, and this is one machine.*backend `process`.*SLIPSTREAM_JOB_BACKEND"):
        jobs.submit(replace(JOB, resources=Resources(nodes=2)))
    assert jobs.status(JOB.name) is JobStatus.UNKNOWN
    assert jobs.waits_for(JOB.name) == ""


def test_a_job_that_is_there_is_not_refused_for_what_is_asked_of_a_second_submit(jobs: ProcessJobs, tmp_path: Path) -> None:
    (tmp_path / "jobs" / JOB.name).mkdir(parents=True)
    (tmp_path / "jobs" / JOB.name / "exit").write_text("0")
    jobs.submit(replace(JOB, resources=Resources(nodes=2)))
    assert jobs.status(JOB.name) is JobStatus.SUCCEEDED
