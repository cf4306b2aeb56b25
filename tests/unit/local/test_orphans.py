"""Processes that outlive their component are found by their group, and no others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from include.core.environment import PLATFORM, RAY_JOB
from include.local import orphans
from include.local.platform import Platform
from tests.support.ends import is_gone

# A leader that starts a child and waits; killed, it leaves the child behind.
LEADER = "import subprocess; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"


@pytest.fixture
def leader() -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen([sys.executable, "-c", LEADER], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    yield process, child
    for pid in (process.pid, child):
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def record(platform: Platform, group: int, started: float) -> None:
    folder = platform.run / "groups"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"thing.{group}.json").write_text(json.dumps({"group": group, "started": started}))


def test_an_orphan_of_a_killed_leader_is_found_and_stopped(tmp_path: Path, leader: tuple[subprocess.Popen[str], int]) -> None:
    process, child = leader
    platform = Platform(tmp_path)
    record(platform, process.pid, psutil.Process(process.pid).create_time())
    process.kill()
    process.wait()
    found = orphans.find(platform)
    assert [each.pid for each in found] == [child]
    assert orphans.stop(found) == 1
    assert is_gone(child)


def test_a_later_process_with_the_same_number_is_left_alone(tmp_path: Path, leader: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = leader
    platform = Platform(tmp_path)
    record(platform, process.pid, time.time() - 3600)
    assert orphans.find(platform) == []


def test_the_processes_that_a_copied_home_names_are_left_alone(tmp_path: Path, leader: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = leader
    original, copy = Platform(tmp_path / "original"), Platform(tmp_path / "copy")
    code = "from pathlib import Path; import sys; from include.local import orphans; "
    code += "from include.local.platform import Platform; "
    code += "orphans.replace(Platform(Path(sys.argv[1])), 'thing'); print('recorded', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(original.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "recorded\n"
        shutil.copytree(original.home, copy.home)
        assert [each.pid for each in orphans.find(original)] == [running.pid]
        assert orphans.find(copy) == []
        orphans.replace(copy, "thing")  # what a start does
        assert running.poll() is None
    assert process.poll() is None


def test_a_broken_record_is_no_reason_to_fail(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    record(platform, 1, 0.0)
    next((platform.run / "groups").iterdir()).write_text("{")
    assert orphans.find(platform) == []


def test_jobs_of_a_killed_ray_head_are_killed_before_the_next_head_starts(tmp_path: Path) -> None:
    platform, other = Platform(tmp_path), Platform(tmp_path / "other")
    homes = {"job": (platform, {RAY_JOB.name: "{}"}), "process": (platform, {}), "elsewhere": (other, {RAY_JOB.name: "{}"})}
    started = {
        name: subprocess.Popen(["sleep", "60"], env={**os.environ, PLATFORM.name: home.digest, **more}, start_new_session=True)
        for name, (home, more) in homes.items()
    }
    try:
        assert [each.pid for each in orphans.find(platform)] == [started["job"].pid]
        orphans.replace(platform, "gateway")
        assert started["job"].poll() is None
        orphans.replace(platform, "ray")
        assert started["job"].wait(10) == -signal.SIGKILL
        assert started["process"].poll() is started["elsewhere"].poll() is None
    finally:
        for process in started.values():
            process.kill()
            process.wait()
