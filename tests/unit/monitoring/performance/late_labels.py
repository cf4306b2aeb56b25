"""Weeks of predictions whose labels come late."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from include.data.window import Window
from tests.support.synthetic_predictions import MADE, predictions, put, rows

WEEK = timedelta(days=7)

HERE = Window(MADE, MADE + WEEK)


def week(start: datetime, delay: timedelta, as_of: datetime, seed: int = 5) -> pa.Table:
    """A week's predictions whose labels come `delay` after the request, as they stand at `as_of`."""
    table = predictions(rows(start, 7, 150, seed))
    came = table["event_time"].to_numpy() + np.timedelta64(delay)
    known = came <= np.datetime64(as_of)
    label = np.where(known, table["label"].to_numpy().astype(float), np.nan)
    table = put(table, "label", pa.array(label, from_pandas=True))
    return put(table, "label_timestamp", pa.array(came, pa.timestamp("us"), mask=~known))
