"""The agent's duties: at their intervals, none in another's way, a last time when the gateway has ended."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from include.gateway import agent
from include.gateway.agent import LOCK, Agent, locked, watch
from include.serving.telemetry.agent_report import Report, read_report

FOREVER = 30.0


@dataclass
class Counted:
    """Lets a test know of every time, and stops the agent after so many."""

    name: str
    ended: threading.Event
    stop_after: int = 3
    every: float = 0.001
    times: int = 0
    seen: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        self.times += 1
        self.seen.set()
        if self.times == self.stop_after:
            self.ended.set()


class Broken(Counted):
    def run(self) -> None:
        super().run()
        raise OSError("the bucket is away")


class Hanging(Counted):
    def run(self) -> None:
        super().run()
        threading.Event().wait(FOREVER)


class Parting(Counted):
    parted = 0

    def end(self) -> None:
        self.parted += 1


def test_a_duty_is_done_again_and_again_and_a_last_time_after_the_end(tmp_path: Path) -> None:
    ended = threading.Event()
    duty = Counted("count", ended)
    Agent([duty], ended, Report(tmp_path)).run()
    assert duty.times == 4
    at, counts = read_report(tmp_path)
    assert at > 0
    assert (counts["count"].done, counts["count"].failed) == (4, 0)


def test_one_that_does_something_else_at_the_end_does_that(tmp_path: Path) -> None:
    ended = threading.Event()
    duty = Parting("part", ended)
    Agent([duty], ended, Report(tmp_path)).run()
    assert (duty.times, duty.parted) == (3, 1)


def test_a_failure_is_counted_logged_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()
    duty = Broken("ship", ended)
    with caplog.at_level(logging.WARNING):
        Agent([duty], ended, Report(tmp_path)).run()
    assert duty.times == 4
    assert [record.getMessage() for record in caplog.records] == ["ship failed, and is tried again: the bucket is away"]
    counts = Report(tmp_path).counts["ship"]  # as the next agent of the home begins
    assert (counts.done, counts.failed, counts.error) == (0, 4, "the bucket is away")


def test_one_that_hangs_holds_up_neither_the_others_nor_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()
    hanging, other = Hanging("hang", ended, stop_after=-1), Counted("count", ended, stop_after=20)
    Agent([hanging, other], ended, Report(tmp_path), last_seconds=0.05).run()
    assert other.times == 21
    assert hanging.times == 1
    assert "not waited for longer: hang" in caplog.text


def test_what_fails_again_and_again_is_tried_ever_more_rarely_but_at_its_own_interval_at_least() -> None:
    assert [agent._pause(1.0, failures) for failures in (1, 2, 3, 10, 1000)] == [2.0, 4.0, 8.0, 30.0, 30.0]
    assert agent._pause(60.0, 5) == 60.0


def test_it_sees_the_end_once_nobody_holds_the_pipe() -> None:
    alive, held = os.pipe()
    also = os.dup(held)
    ended = watch(alive)
    os.close(held)
    assert not ended.wait(0.05)
    os.close(also)
    assert ended.wait(FOREVER)


def test_a_home_has_one_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "LOCK_SECONDS", 0.01)
    other = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(other, fcntl.LOCK_EX)
    ended = threading.Event()
    found: list[int | None] = []
    waiting = threading.Thread(target=lambda: found.append(locked(tmp_path, ended)))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    os.close(other)
    waiting.join(FOREVER)
    assert found
    assert found[0] is not None
    ended.set()
    assert locked(tmp_path, ended) is None  # the gateway ended before the lock was free
    os.close(found[0])
