"""The rows of a training set that does not fit into memory, as a model's `fit` gets them: counted, and read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from include.core.errors import SpecError
from include.core.storage import Storage
from include.model_contract.batch import join
from include.problems.truth import Truth
from include.training.job import BATCH, Rows
from include.training.rows.blocks import Part
from include.training.rows.layout import DAY, LABEL, WEIGHT, Layout

ARRAYS = frozenset(each.name for each in fields(Rows))
SAMPLE = 1 << 18  # rows of a sample at most: statistics such as means and quantiles of it are as good as those of all
SAMPLE_BYTES, LEAST = 64 << 20, 1 << 14  # of wide rows fewer, but so many


class StreamedRows(Rows):
    """Stands where `Rows` stand. It has their number and `batches`; what would need all of them at once is refused by name.

    `most`: so many rows are read whole where they are asked for, as arrays are. `newest`: the newest rows again, for `last`.
    """

    if TYPE_CHECKING:
        part: Part
        storage: Storage
        most: int
        newest: Part | None

    def __init__(self, part: Part, storage: Storage, most: int = 0, newest: Part | None = None) -> None:
        self.__dict__.update(part=part, storage=storage, most=most, newest=newest)

    def with_newest(self, newest: Part) -> StreamedRows:
        return StreamedRows(self.part, self.storage, self.most, newest)

    def __len__(self) -> int:
        return self.part.rows

    def __repr__(self) -> str:
        return f"StreamedRows({len(self):,} rows of {self.part.folder})"

    def batches(self, rows: int = BATCH) -> Iterator[Rows]:
        """All rows, so many at a time: of training in the random order in which they lie, of validation by time."""
        return self.stretch(0, len(self), rows)

    def stretch(self, first: int, end: int, rows: int = BATCH) -> Iterator[Rows]:
        """The same of the rows from place `first` to `end`: only their blocks are read."""
        held: list[Rows] = []
        for some in self._blocks(first, end):
            held.append(some)
            if sum(map(len, held)) >= rows:
                whole = joined(held)
                for start in range(0, len(whole) - rows + 1, rows):
                    yield whole.cut(slice(start, start + rows))
                held = [whole.cut(slice(len(whole) // rows * rows, None))]
        if sum(map(len, held)):
            yield joined(held)

    def _blocks(self, first: int, end: int) -> Iterator[Rows]:
        at = 0
        for number, block in enumerate(self.part.blocks):
            low, high = max(first - at, 0), min(end - at, block.rows)
            if low < high:
                yield self.part.layout.rows(self.part.read(self.storage, number)).cut(slice(low, high))
            at += block.rows

    def sample(self) -> Rows:
        """Some rows that were drawn at random, the same each time: training rows lie in random order."""
        rows = min(SAMPLE, max(LEAST, SAMPLE_BYTES // (4 * self.part.layout.width + 4)), len(self))
        return next(self.batches(rows))

    def last(self, count: int) -> Rows:
        """So many of the newest rows, in memory. Raises SpecError for more than are kept apart."""
        if self.newest is None or self.newest.rows < min(count, len(self)):
            self._refuse(f"its newest {count:,} rows")
        there = self.newest.rows
        return joined(list(StreamedRows(self.newest, self.storage).stretch(max(0, there - count), there)))

    def truth(self) -> Truth:
        """Labels, weights and days of all rows: a few numbers a row are in memory, whatever a row has of inputs."""
        layout = Layout(0, self.part.layout.weights, self.part.layout.days)
        wanted = [LABEL, *([WEIGHT] if layout.weights else []), *([DAY] if layout.days else [])]
        return joined([layout.rows(table) for table in self.part.tables(self.storage, wanted)]).truth()

    def cut(self, which: slice) -> Rows:
        return self._whole("rows of a place").cut(which)

    def __getattribute__(self, name: str) -> Any:
        if name in ARRAYS:
            return getattr(self._whole(f"the array of its {name}"), name)
        return super().__getattribute__(name)

    def _whole(self, what: str) -> Rows:
        """All rows, where they are few enough."""
        if len(self) > self.most:
            self._refuse(what)
        return self._held

    @cached_property
    def _held(self) -> Rows:
        return joined(list(self.batches()))

    def _refuse(self, what: str) -> NoReturn:
        size = 4 * (self.part.layout.width + 1) * len(self)
        raise SpecError(
            f"The training set is streamed, for it has more rows than training.memory_rows, and this fit asks for {what}.",
            seen=f"{len(self):,} rows, {size / 1e9:.1f} GB as arrays of float32",
            safe="nothing was trained; the training set is kept as it is.",
            hint="take job.train.batches() in the fit, or use fit_lightning, or raise training.memory_rows where the machine has "
            "the memory.",
        )


def joined(parts: list[Rows]) -> Rows:
    """Several batches as one."""
    if len(parts) == 1:
        return parts[0]

    def whole(arrays: list[Any]) -> Any:
        return None if any(each is None for each in arrays) else np.concatenate(arrays)

    columns = [each.columns for each in parts]
    return Rows(
        whole([each.features for each in parts]),
        whole([each.labels for each in parts]),
        join([each for each in columns if each is not None]) if columns[0] is not None else None,  # type: ignore[arg-type]
        whole([each.weights for each in parts]),
        whole([each.queries for each in parts]),
        whole([each.days for each in parts]),
    )
