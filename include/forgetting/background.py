"""Rows of a training set that travel without a key: those that a version's answers are explained against.

They say not whose they are. But they were drawn from the training set: one that is in it no more was a subject's. A row that
another one's row equals stays, for it is that one's as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.data.session import open_session
from include.data.sql import identifier, parquet
from include.explanations.background import FILE as FILE


def left_of(drawn: Path, training: Sequence[Path]) -> tuple[pa.Table, int]:
    """The rows that are in the training set as it is now, in their order; and how many are not."""
    rows = pq.read_table(drawn)
    names = [name for name in rows.column_names if name in pq.read_schema(training[0]).names]
    same = " AND ".join(f"drawn.{identifier(name)} IS NOT DISTINCT FROM known.{identifier(name)}" for name in names)
    with open_session() as session:
        session.execute(f"CREATE TABLE known AS SELECT DISTINCT {', '.join(map(identifier, names))} FROM {parquet(training)}")
        session.register("given", rows.select(names).append_column("__place", pa.array(range(rows.num_rows))))
        session.execute("CREATE TABLE drawn AS SELECT * FROM given")
        kept = session.execute(f"SELECT __place FROM drawn SEMI JOIN known ON {same} ORDER BY 1").fetchall() if names else []
    return rows.take(pa.array([place for (place,) in kept], pa.int64())), rows.num_rows - len(kept)
