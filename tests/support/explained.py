"""Rows of every kind of input, and models on them that need no file, for the tests of explanations."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from include.core.spec import Feature
from include.model_contract.batch import Columns, Encoded
from include.model_contract.encoder import Encoder, Form

FEATURES = (
    Feature(name="wind"), Feature(name="hour", dtype="int", default=0), Feature(name="carrier", dtype="category"),
    Feature(name="place", dtype="vector[3]"),
)  # fmt: skip
START = 1_356_998_400_000_000  # 2013, in microseconds


def rows(count: int, seed: int = 0) -> pa.Table:
    draw = np.random.default_rng(seed)
    days = START + np.arange(count) * 600_000_000
    return pa.table(
        {
            "event_timestamp": pa.array(days, pa.timestamp("us")),
            "wind": draw.normal(size=count),
            "hour": draw.integers(0, 24, count),
            "carrier": [f"C{code}" for code in draw.integers(0, 4, count)],
            "place": pa.array(list(draw.normal(size=(count, 3))), pa.list_(pa.float64())),
            "note": [f"note {number}" for number in draw.integers(0, 9, count)],
        }
    )


def encoder(table: pa.Table, form: Form = "tensor") -> Encoder:
    more = (Feature(name="note", dtype="text"),) if form == "columns" else ()
    return Encoder.fit(table, (*FEATURES, *more), "late", form)


def probability(rows: Encoded) -> np.ndarray:
    """[n]: of the wind, the hour, the carrier and one number of the vector, with interactions; NaN nowhere."""
    if isinstance(rows, Columns):
        carrier = np.array([int(text[1:]) + 1 for text in rows["carrier"]])
        note = np.array([len(text) + int(text[-1]) for text in rows["note"]])
        numbers = rows["wind"], rows["hour"], carrier, rows["place"][:, 1], note
    else:
        numbers = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 4], np.zeros(len(rows))
    wind, hour, carrier, place, note = (np.asarray(each, np.float64) for each in numbers)
    return 1 / (1 + np.exp(-(wind * (carrier - 2) + 0.05 * hour * place + 0.3 * wind * place * carrier + 0.1 * note)))


def classes(rows: Encoded) -> np.ndarray:
    """[n, 3]"""
    score = probability(rows)
    return np.stack([score * 0.6, score * 0.4, 1 - score], axis=1)
