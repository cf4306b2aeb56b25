from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from tests.support.later import Later

pytestmark = pytest.mark.lives  # torch takes seconds to import

leaving = Later("include.backends.lightning.leaving")


def wait_for(event: threading.Event) -> None:
    """A signal is handled between two lines of the main thread."""
    deadline = time.monotonic() + 30
    while not event.is_set() and time.monotonic() < deadline:
        time.sleep(0.001)


def test_one_worker_alone_leaves_as_it_was_asked() -> None:
    asked = threading.Event()
    agreed = leaving.Agreement(asked)
    assert not agreed()
    asked.set()
    assert agreed()


def test_sigterm_asks_once_and_the_former_way_of_ending_comes_back() -> None:
    ended = threading.Event()
    former = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        asked = threading.Event()
        with leaving.on_sigterm(asked):
            os.kill(os.getpid(), signal.SIGTERM)
            wait_for(asked)
            assert asked.is_set()
            assert not ended.is_set()
            os.kill(os.getpid(), signal.SIGTERM)  # whoever sends it twice means it
            wait_for(ended)
            assert ended.is_set()
        ended.clear()
        leaving.pass_on()
        wait_for(ended)
        assert ended.is_set()
    finally:
        signal.signal(signal.SIGTERM, former)


def test_a_thread_leaves_the_signals_alone() -> None:
    seen: list[object] = []

    def inside() -> None:
        with leaving.on_sigterm(threading.Event()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_the_first_batch_is_told_once() -> None:
    told: list[int] = []
    pace = leaving.Pace(lambda: told.append(1))
    for _ in range(3):
        pace.on_train_batch_end()
    assert (pace.done, told) == (3, [1])
