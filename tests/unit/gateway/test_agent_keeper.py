"""The gateway's end of its agent: whatever becomes of either, there is one while the gateway lives, and none long after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from include.core.digest import PROJECT
from include.gateway.agent import NAME
from tests.support.ends import is_gone

# A gateway that does nothing but keep its agent, whose one duty says that it was done. It ends by SIGTERM as the real one does.
PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from include.gateway import agent, agent_keeper

NOTES = Path({notes!r})

class Noting:
    name, every = "note", 0.01

    def run(self):
        NOTES.joinpath("done").write_text(str(os.getpid()))

    def end(self):
        NOTES.joinpath("ended").write_text(str(os.getpid()))

def work(alive):
    return agent.work(alive, lambda services: [Noting()])

if sys.argv[1:2] == ["agent"]:
    os._exit(work(int(sys.argv[3])))
agent_keeper.RESTART_SECONDS = 0.01
keeper = agent_keeper.AgentKeeper((sys.executable, __file__, "agent"), work)
keeper.start(alone=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    if sys.argv[1:2] == ["fork"]:  # as workers are: they outlive the one that forked them
        if os.fork() == 0:
            NOTES.joinpath("worker").write_text(str(os.getpid()))
            time.sleep(60)
    time.sleep(60)
finally:
    keeper.stop()
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM).replace("{notes!r}", repr(str(folder))))
    return folder


def run(notes: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "SLIPSTREAM_HOME": str(notes.parent / "home"), "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen([sys.executable, str(notes.parent / "program.py"), *arguments], env=environ, cwd=PROJECT)


def until(look: Callable[[], Any]) -> Any:
    for _ in range(1200):
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to be within a minute")


def said(file: Path) -> int:
    return int(file.read_text() or 0) if file.exists() else 0


@pytest.mark.lives
def test_it_starts_with_the_gateway_again_when_it_dies_and_works_a_last_time_before_the_gateway_has_ended(notes: Path) -> None:
    gateway = run(notes)
    first = until(lambda: said(notes / "done"))
    assert psutil.Process(first).name() == NAME
    assert psutil.Process(first).nice() >= 10
    os.kill(first, signal.SIGKILL)
    second = until(lambda: said(notes / "done") not in (0, first) and said(notes / "done"))
    gateway.terminate()
    assert gateway.wait(60) == 0
    assert said(notes / "ended") == second
    assert not psutil.pid_exists(second)


def test_it_ends_with_the_last_process_of_a_gateway_that_is_killed(notes: Path) -> None:
    gateway = run(notes, "fork")
    worker, agent = until(lambda: said(notes / "worker")), until(lambda: said(notes / "done"))
    gateway.kill()
    gateway.wait(60)
    (notes / "done").unlink()
    until(lambda: said(notes / "done"))  # a worker may still answer, and write to the log
    assert not (notes / "ended").exists()
    os.kill(worker, signal.SIGKILL)
    until(lambda: said(notes / "ended") == agent)
    until(lambda: is_gone(agent))
