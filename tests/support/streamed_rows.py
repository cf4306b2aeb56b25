"""Rows in memory as a streamed training set of small blocks, without a file to prepare them from."""

from __future__ import annotations

from include.core.storage import Storage
from include.training.job import Rows
from include.training.rows.blocks import TRAIN, Writer, prepared
from include.training.rows.layout import Layout
from include.training.rows.streamed import StreamedRows


def streamed(rows: Rows, storage: Storage, block: int = 16, folder: str = "rows", most: int = 0) -> StreamedRows:
    """The rows in their order, `block` of them in each block."""
    writer, layout = Writer(storage, folder), Layout.of(rows)
    for some in rows.batches(block):
        writer.write(TRAIN, layout.table(some))
    writer.finish(layout, {})
    found = prepared(storage, folder)
    assert found is not None
    return StreamedRows(found[0][TRAIN], storage, most)
