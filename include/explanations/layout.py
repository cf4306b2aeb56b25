"""Encoded rows by the features that callers know: a category is one, however it is coded, and so is a vector or a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from include.core.errors import DataError
from include.metrics.arrays import Bools, Floats, Groups
from include.model_contract.batch import Columns, Encoded
from include.model_contract.encoder import Encoder
from include.problems.truth import Outputs

Score = Callable[[Encoded], Outputs]
"""A model: encoded rows to outputs [n] or [n, k]."""

AT_ONCE = 1 << 15  # rows that are composed and scored together


@dataclass(frozen=True)
class Layout:
    """`names` of the features; of a tensor, the places [start, stop) of each."""

    names: tuple[str, ...]
    blocks: tuple[slice, ...]

    @classmethod
    def of(cls, encoder: Encoder) -> Self:
        return cls(tuple(each.name for each in encoder.inputs), tuple(encoder.blocks))

    def __len__(self) -> int:
        return len(self.names)

    def gathered(self, pool: Encoded, rows: Groups) -> Encoded:
        """Rows whose features are of different rows of the pool: `rows` [n, features] says of which."""
        if isinstance(pool, Columns):
            return Columns({name: pool[name][rows[:, place]] for place, name in enumerate(self.names)}, len(rows))
        found = np.empty((len(rows), pool.shape[1]), pool.dtype)
        for place, block in enumerate(self.blocks):
            found[:, block] = pool[:, block][rows[:, place]]
        return found

    def composed(self, own: Encoded, background: Encoded, known: Bools) -> Encoded:
        """For each coalition of `known` [c, features] every row of the background, with the features that are known from `own`,
        a single row: [c * background] rows, those of a coalition together."""
        count, size = len(known), len(background)
        if isinstance(background, Columns):
            assert isinstance(own, Columns)
            found = {}
            for place, name in enumerate(self.names):
                array = background[name]
                tiled = np.broadcast_to(array, (count, *array.shape)).copy()
                tiled[known[:, place]] = own[name][0]
                found[name] = tiled.reshape(count * size, *array.shape[1:])
            return Columns(found, count * size)
        assert not isinstance(own, Columns)
        places = np.zeros((count, background.shape[1]), np.bool_)
        for place, block in enumerate(self.blocks):
            places[:, block] = known[:, place, None]
        return np.where(places[:, None, :], own[0], background).reshape(count * size, -1)


def scored(score: Score, rows: Encoded) -> Floats:
    """Outputs as float64, so many rows at a time. Raises DataError for what is no finite number: no share of it is one."""
    parts = [np.asarray(score(rows[start : start + AT_ONCE]), dtype=np.float64) for start in range(0, len(rows), AT_ONCE)]
    found = np.concatenate(parts)
    if not np.isfinite(found).all():
        raise DataError(
            "The model gives no finite number for a row that is put together of two: it cannot be explained.",
            seen=f"{int((~np.isfinite(found)).sum())} outputs",
            safe="the answers of the model itself are as they were.",
            hint="leave evaluation.explanations out, or have the model take every combination of values.",
        )
    return found
