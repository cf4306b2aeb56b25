from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from include.core.errors import DataError
from include.training.split import split_newest
from tests.support.training_example import table


def test_validation_is_newer_than_all_that_is_trained_on() -> None:
    rows = table(1000)
    shuffled = rows.take(pa.array(np.random.default_rng(1).permutation(1000)))
    older, newer = split_newest(shuffled)
    assert len(older) + len(newer) == 1000
    assert 90 <= len(newer) <= 110
    assert pc.max(older["event_timestamp"]).as_py() < pc.min(newer["event_timestamp"]).as_py()


def test_too_few_rows_are_refused_with_their_number() -> None:
    with pytest.raises(DataError, match="Seen: 60"):
        split_newest(table(60))


def test_rows_of_one_moment_cannot_be_split() -> None:
    rows = table(500)
    same = pa.array([datetime.fromisoformat("2013-01-01")] * 500, pa.timestamp("us"))
    with pytest.raises(DataError):
        split_newest(rows.set_column(1, "event_timestamp", same))
