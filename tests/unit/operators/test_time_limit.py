"""Work in the task's own process is ended by the clock, and other timers of the process stay as they were."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from include.core.errors import TimeLimitError
from operators.time_limit import within


@pytest.fixture(autouse=True)
def _no_timer() -> Iterator[None]:
    """pytest's own time limit is such a timer, too."""
    others, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.setitimer(signal.ITIMER_REAL, others)


def late() -> TimeLimitError:
    return TimeLimitError("It took too long.")


def test_what_takes_longer_is_ended_with_the_error() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeLimitError), within(0.01, late):
        time.sleep(60)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_what_is_done_in_time_leaves_no_timer_behind() -> None:
    with within(60, late):
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with within(0, late):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_shorter_timer_of_airflows_wins_and_a_longer_one_goes_on() -> None:
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        with within(200, late):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 100
        with within(50, late):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 50
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_in_another_thread_nothing_is_limited() -> None:
    done: list[bool] = []

    def work() -> None:
        with within(0.001, late):
            done.append(signal.getitimer(signal.ITIMER_REAL)[0] == 0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
