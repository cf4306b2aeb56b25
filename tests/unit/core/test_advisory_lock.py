"""Neighbours wait for each other, a stuck one is fenced off, and whoever dies leaves the turn."""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from include.core.advisory_lock import advisory_lock, exclusive
from include.core.control import ControlStore
from include.core.errors import FencedError
from include.core.request import Json

FORK = get_context("fork")


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store


def act(control: ControlStore, key: str, epoch: int) -> dict[str, Json]:
    return control.once(key, "r", epoch, lambda _: {"by": epoch})[0]


def test_neighbours_wait_for_each_other_and_none_is_refused(control: ControlStore) -> None:
    def one(number: int) -> None:
        with exclusive(control, "r", f"run-{number}") as epoch:
            time.sleep(0.01)
            act(control, f"effect-{number}", epoch)

    racers = [FORK.Process(target=one, args=(n,)) for n in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(30)
    assert [racer.exitcode for racer in racers] == [0] * 8


def test_a_holder_that_is_stuck_is_waited_for_so_long_and_then_fenced_off(control: ControlStore) -> None:
    with exclusive(control, "r", "stuck") as late:
        done = threading.Thread(target=lambda: take_over(control))
        done.start()
        done.join(10)
        with pytest.raises(FencedError, match="the next"):
            act(control, "late effect", late)
    assert control.effect("effect") == {"by": late + 1}
    assert control.effect("late effect") is None


def take_over(control: ControlStore) -> None:
    with exclusive(control, "r", "the next", timeout=0.1) as epoch:
        act(control, "effect", epoch)


def test_the_turn_of_a_killed_process_is_free_at_once(control: ControlStore) -> None:
    there = FORK.Event()

    def hold() -> None:
        with advisory_lock(control, "r"):
            there.set()
            time.sleep(60)

    holder = FORK.Process(target=hold)
    holder.start()
    assert there.wait(10)
    with advisory_lock(control, "r", timeout=0.05) as alone:
        assert not alone
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(10)
    with advisory_lock(control, "r", timeout=10) as alone:
        assert alone
