"""A time limit of work that runs in the task's own process: a signal of the clock ends it with an error of ours."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from include.core.errors import SlipstreamError


@contextmanager
def within(seconds: float, late: Callable[[], SlipstreamError]) -> Iterator[None]:
    """Raises what `late` returns, once the body has taken so many seconds; 0: it may take as long as it takes.

    The clock's signal comes to a process's main thread alone; in another thread nothing is limited. A timer that somebody else
    has set (Airflow's `execution_timeout`) goes on afterwards, and wins where it is the shorter one.
    """
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        raise late()

    others, _ = signal.getitimer(signal.ITIMER_REAL)
    if others and others <= seconds:
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        signal.setitimer(signal.ITIMER_REAL, max(others - (seconds - left), 0.001) if others else 0)
        signal.signal(signal.SIGALRM, before)
