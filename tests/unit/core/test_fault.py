"""Fail points: nothing unarmed; each action once, at its point, after its skips."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core import fault
from include.core.digest import PROJECT
from include.core.environment import FAULT
from include.core.fault import Fault, ResponseLost, arm, point


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm(None)


def test_an_unarmed_point_does_nothing() -> None:
    assert fault._passed is None
    point("anything")


def test_it_happens_at_its_point_after_the_skips_and_once_for_all_who_share_the_mark(tmp_path: Path) -> None:
    armed = Fault("b", "lose", skip=1, mark=str(tmp_path / "mark"), trace=str(tmp_path / "trace"))
    arm(armed)
    point("a")
    point("b")
    with pytest.raises(ResponseLost, match="b was lost on purpose"):
        point("b")
    point("b")
    arm(armed)  # another process, as good as
    point("b")
    point("b")
    assert [line.split()[0] for line in (tmp_path / "trace").read_text().splitlines()] == ["a", "b", "b", "b", "b", "b"]
    assert (tmp_path / "mark").read_text() == str(os.getpid())


def run(armed: Fault) -> subprocess.Popen[bytes]:
    code = "from include.core.fault import point; point('here'); print('after')"
    env = {**os.environ, FAULT.name: armed.to_json(), "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)


def test_the_environment_arms_a_process_that_is_started() -> None:
    killed = run(Fault("here", "kill"))
    assert killed.communicate(timeout=30)[0] == b""
    assert killed.returncode == -signal.SIGKILL


def test_a_paused_process_goes_on_when_it_is_woken() -> None:
    paused = run(Fault("here", "pause"))
    _, status = os.waitpid(paused.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    paused.send_signal(signal.SIGCONT)
    assert paused.communicate(timeout=30)[0] == b"after\n"
