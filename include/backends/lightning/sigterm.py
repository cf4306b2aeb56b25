"""SIGTERM to the process of a fit: it asks the fit to leave, saved, before the process ends. Imports no torch, for drivers."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


@contextmanager
def on_sigterm(asked: threading.Event) -> Iterator[None]:
    """SIGTERM sets `asked` for as long; a second one does what it would have done. Only the main thread can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.getsignal(signal.SIGTERM)

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        if asked.is_set():
            signal.signal(number, former or signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        log.warning("asked to end: the fit is saved at the next batch, and leaves")
        asked.set()

    signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former or signal.SIG_DFL)


def pass_on() -> None:
    """End this process as SIGTERM would have without us: its own way of ending, where it has one."""
    if signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN, None):
        os.kill(os.getpid(), signal.SIGTERM)
