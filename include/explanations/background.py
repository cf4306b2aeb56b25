"""The rows that a version's answers are explained against: some of those that it was trained on, as a file beside it.

They hold the model's inputs alone, no entity and no label; and they are real rows, for what is made up of single features would
explain against combinations that never were.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.metrics.arrays import Groups
from include.model_contract.encoder import Encoder

FILE = "background.parquet"  # of an evaluation's files


def drawn(rows: int, most: int, seed: int) -> Groups:
    """Places of at most so many of the rows, without repeats, in their order."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def write_background(table: pa.Table, encoder: Encoder, most: int, seed: int, path: Path) -> pa.Table:
    """Draw the rows, write them, and give them."""
    names = list(dict.fromkeys(each.name for each in encoder.inputs))
    chosen = table.select(names).take(pa.array(drawn(table.num_rows, most, seed)))
    pq.write_table(chosen, path)
    return chosen


def read_background(path: Path) -> pa.Table:
    return pq.read_table(path)
