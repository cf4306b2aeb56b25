"""Workers that are asked to leave, by a signal to one of them or by whoever formed their group. They save at the next batch.

Every worker must leave at the same batch, so after each they tell each other whether one was asked. That costs no waiting:
what was said after one batch is heard after the next, which was computed meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
import torch
from torch import distributed


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
