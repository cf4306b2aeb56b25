from __future__ import annotations

import os
import signal
import threading
import time

from include.backends.lightning.sigterm import on_sigterm, pass_on


def wait_for(event: threading.Event) -> None:
    """A signal is handled between two lines of the main thread."""
    deadline = time.monotonic() + 30
    while not event.is_set() and time.monotonic() < deadline:
        time.sleep(0.001)


def test_sigterm_asks_once_and_the_former_way_of_ending_comes_back() -> None:
    ended = threading.Event()
    former = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        asked = threading.Event()
        with on_sigterm(asked):
            os.kill(os.getpid(), signal.SIGTERM)
            wait_for(asked)
            assert asked.is_set()
            assert not ended.is_set()
            os.kill(os.getpid(), signal.SIGTERM)  # whoever sends it twice means it
            wait_for(ended)
            assert ended.is_set()
        ended.clear()
        pass_on()
        wait_for(ended)
        assert ended.is_set()
    finally:
        signal.signal(signal.SIGTERM, former)


def test_a_thread_leaves_the_signals_alone() -> None:
    seen: list[object] = []

    def inside() -> None:
        with on_sigterm(threading.Event()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
