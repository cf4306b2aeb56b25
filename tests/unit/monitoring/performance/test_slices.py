from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.data.window import moment
from include.monitoring.performance.slices import by_slice, summary, worst
from include.monitoring.performance.terms import Terms

TERMS = Terms("auc", 200, 0.5)


def table(seed: int, broken: str = "", values: int = 12, rows: int = 500) -> pa.Table:
    """Rows of some airports, all alike; of the `broken` one the score says nothing."""
    rng = np.random.default_rng(seed)
    n = values * rows
    airport = np.repeat([f"A{n:02d}" for n in range(values)], rows)
    score = rng.random(n)
    label = (rng.random(n) < np.where(airport == broken, 0.5, score)).astype(float)
    time = np.datetime64(moment("2013-04-01"), "us") + (np.arange(n) % 7) * np.timedelta64(1, "D")
    return pa.table({"airport": airport, "score": score, "label": label, "event_time": pa.array(time)})


def test_the_slice_that_fell_is_named_with_what_it_was() -> None:
    found = by_slice(table(1, broken="A05"), ["airport"], TERMS, table(2))
    named = worst(found)
    assert named is not None
    assert named["value"] == "A05"
    assert named["p"] < 1e-6
    assert summary(named, "auc").startswith("worst slice airport = A05: 0.")


def test_of_quiet_slices_the_worst_is_rarely_named() -> None:
    named = [worst(by_slice(table(seed), ["airport"], TERMS, table(1000 + seed))) is not None for seed in range(40)]
    assert sum(named) <= 5  # 5 percent, with room for chance


def test_slices_too_small_or_unknown_before_are_reported_and_not_tried() -> None:
    rows = pa.concat_tables([table(1, values=2), table(2, values=1, rows=30).set_column(0, "airport", pa.array(["NEW"] * 30))])
    found = {str(each["value"]): each for each in by_slice(rows, ["airport", "nowhere"], TERMS, table(3, values=1))}
    assert "too few rows" in found["NEW"]["words"]
    assert "p" in found["A00"]
    assert "p" not in found["A01"]
    assert worst(by_slice(rows, ["airport"], TERMS)) is None


def test_a_chance_counts_how_many_were_tried() -> None:
    one, many = (by_slice(table(1, "A00", values=n), ["airport"], TERMS, table(2, values=n)) for n in (1, 12))
    assert many[0]["p"] == pytest.approx(12 * one[0]["p"], rel=1e-6)
