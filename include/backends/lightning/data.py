"""Batches for a resumable, distributed fit: the same global batches whatever the number of workers.

An epoch is a permutation seeded by (seed, epoch), cut into global batches; worker r of w takes every w-th
row of each. So the step alone says which rows come next, and a resumed fit reads exactly those.

A training set that is streamed has an order of its own with the same properties: include/training/rows/order.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from include.backends.lightning.plan import Course, Place
from include.training.job import Rows
from include.training.rows.loader import Reader
from include.training.rows.order import Order
from include.training.rows.streamed import StreamedRows

VALIDATION_BATCH = 8192


def batches(course: Course, start: int, place: Place) -> Iterator[Tensor]:
    """Row numbers int64 [batch / world] for one worker, of each step from `start` to the end of its epoch."""
    epoch, first = divmod(start, course.steps_per_epoch)
    order = torch.randperm(course.rows, generator=torch.Generator().manual_seed(course.seed * 1_000_003 + epoch))
    for number in range(first, course.steps_per_epoch):
        yield order[number * course.batch_size : (number + 1) * course.batch_size][place.rank :: place.world]


class Epoch(Sampler[Tensor]):
    """The batches from a step to the end of its epoch, as row numbers."""

    def __init__(self, course: Course, start: int, place: Place) -> None:
        self._course, self._start, self._place = course, start, place

    def __iter__(self) -> Iterator[Tensor]:
        return batches(self._course, self._start, self._place)

    def __len__(self) -> int:
        return self._course.steps_per_epoch  # the trainer counts what was done before a resume, too


class Table(Dataset[tuple[Tensor, ...]]):
    """Rows as tensors, indexed by whole batches: one gather, not one call a row. With weights, where the rows have them."""

    def __init__(self, rows: Rows) -> None:
        given = (rows.features, rows.labels, rows.weights)
        self._arrays = tuple(torch.tensor(each) for each in given if each is not None)  # copies: shared memory is read-only
        self.labels = self._arrays[1]

    def __getitem__(self, index: Tensor) -> tuple[Tensor, ...]:
        return tuple(array[index] for array in self._arrays)

    def __len__(self) -> int:
        return len(self.labels)


class StreamedEpoch(Sampler[tuple[Tensor, ...]]):
    """The batches themselves of a streamed training set, from a step to the end of its epoch."""

    def __init__(self, rows: StreamedRows, course: Course, start: int, place: Place) -> None:
        order = Order(tuple(block.rows for block in rows.part.blocks), course.batch_size, course.seed)
        self._reader = Reader(rows.part, rows.storage, order, place.rank, place.world)
        self._start = start

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for arrays in self._reader.batches(self._start):
            yield tuple(torch.from_numpy(np.ascontiguousarray(each)) for each in arrays)

    def __len__(self) -> int:
        return self._reader.order.steps


class StreamedStretch(Sampler[tuple[Tensor, ...]]):
    """A worker's stretch of a streamed part, in its order, in batches: of w workers it has one of w equal stretches."""

    def __init__(self, rows: StreamedRows, place: Place) -> None:
        self._rows = rows
        self._first, self._end = (len(rows) * each // place.world for each in (place.rank, place.rank + 1))

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for rows in self._rows.stretch(self._first, self._end, VALIDATION_BATCH):
            yield tuple(torch.tensor(each) for each in (rows.features, rows.labels, rows.weights) if each is not None)

    def __len__(self) -> int:
        return -(-(self._end - self._first) // VALIDATION_BATCH)


class AsItIs(Dataset[tuple[Tensor, ...]]):
    """Gives the batch that its sampler has read."""

    def __getitem__(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return batch


class BatchData(pl.LightningDataModule):
    """Feeds a Trainer that reloads its loader each epoch, starting at step `start`."""

    def __init__(
        self,
        train: Rows,
        validation: Rows,
        course: Course,
        start: int,
        place: Place,
        *,
        pinned: bool = False,
        private: Callable[[int], Sampler[Tensor]] | None = None,
    ) -> None:
        """`private`: gives the batches from a step on, of a fit whose rows are drawn by Poisson."""
        super().__init__()
        self._pinned, self._private = pinned, private
        self._train, self._validation = (rows if isinstance(rows, StreamedRows) else Table(rows) for rows in (train, validation))
        self._course, self._start, self._place = course, start, place

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        epoch = self.trainer.current_epoch if self.trainer else 0
        start = max(epoch * self._course.steps_per_epoch, self._start)
        if isinstance(self._train, StreamedRows):
            streamed = StreamedEpoch(self._train, self._course, start, self._place)
            return DataLoader(AsItIs(), sampler=streamed, batch_size=None, pin_memory=self._pinned)
        if self._private is not None:
            return DataLoader(self._train, sampler=self._private(start), batch_size=None, pin_memory=self._pinned)
        return DataLoader(self._train, sampler=Epoch(self._course, start, self._place), batch_size=None, pin_memory=self._pinned)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        if isinstance(self._validation, StreamedRows):
            stretch = StreamedStretch(self._validation, self._place)
            return DataLoader(AsItIs(), sampler=stretch, batch_size=None, pin_memory=self._pinned)
        mine = torch.arange(self._place.rank, len(self._validation), self._place.world)
        return DataLoader(self._validation, sampler=torch.split(mine, VALIDATION_BATCH), batch_size=None, pin_memory=self._pinned)
