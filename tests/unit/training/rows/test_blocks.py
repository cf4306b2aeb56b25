"""A block is what its name says, or it is refused; a manifest is the last thing that is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.core.errors import JobFailedError
from include.core.storage import LocalStorage
from include.training.job import Rows
from include.training.rows.blocks import TRAIN, Writer, prepared
from include.training.rows.layout import LABEL, Layout
from tests.support.streamed_rows import streamed

ROWS = Rows(np.arange(64, dtype=np.float32).reshape(32, 2), np.arange(32, dtype=np.float32))


def test_a_flipped_byte_is_found_and_the_block_goes(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    part = streamed(ROWS, storage).part
    path = f"rows/{part.blocks[1].name}"
    data = bytearray(storage.read(path))
    data[len(data) // 2] ^= 1
    storage.write(path, bytes(data))
    assert part.read(storage, 0)[LABEL].to_pylist() == list(range(16))
    with pytest.raises(JobFailedError, match="does not match its digest"):
        part.read(storage, 1)
    with pytest.raises(JobFailedError, match="is not there"):
        part.read(storage, 1)
    assert prepared(storage, "rows") is None


def test_blocks_without_a_manifest_are_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    writer = Writer(storage, "rows")
    writer.write(TRAIN, Layout.of(ROWS).table(ROWS))
    assert prepared(storage, "rows") is None
    writer.finish(Layout.of(ROWS), {"more": 1})
    found = prepared(storage, "rows")
    assert found is not None
    assert found[0][TRAIN].rows == 32
    assert found[1]["more"] == 1
