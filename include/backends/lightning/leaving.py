"""A fit that is asked to leave: by a signal to its process, or by whoever gave it its workers. It saves at the next batch.

Every worker must leave at the same batch, so after each they tell each other whether one was asked. That costs no waiting:
what was said after one batch is heard after the next, which was computed meanwhile.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from torch import distributed

log = logging.getLogger(__name__)


class Agreement:
    """Whether any of the workers was asked to leave; all of them get the same answer at the same batch."""

    def __init__(self, asked: threading.Event, timeout: timedelta | None = None) -> None:
        """Of all workers at once, where there is a process group. What they say goes by gloo, whatever their devices."""
        self._asked = asked
        alone = not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1
        self._group = None if alone else distributed.new_group(backend="gloo", timeout=timeout)
        self._said: tuple[Any, torch.Tensor] | None = None

    def __call__(self) -> bool:
        if self._group is None:
            return self._asked.is_set()
        heard = False
        if self._said is not None:
            work, flag = self._said
            work.wait()
            heard = bool(flag.item())
        flag = torch.tensor([float(self._asked.is_set())])
        self._said = distributed.all_reduce(flag, distributed.ReduceOp.MAX, group=self._group, async_op=True), flag
        return heard


class Pace(pl.Callback):
    """How many batches this worker has done since it began. `first` is called after the first of them."""

    def __init__(self, first: Callable[[], None] | None = None) -> None:
        self.done, self._first = 0, first

    def on_train_batch_end(self, *_: Any) -> None:
        self.done += 1
        if self.done == 1 and self._first is not None:
            self._first()


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
