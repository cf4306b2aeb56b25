"""The drawn distributions: shares of both sides, the farthest column first, and values of callers as text."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from include.backends.evidently.columns import BINS, MOST, columns_html
from include.core.spec import Feature

NUMBER, CATEGORY = Feature(name="x", dtype="float"), Feature(name="c", dtype="category")


def drawn(feature: Feature, now: list[object], was: list[object], **scores: float) -> str:
    tables = (pa.table({feature.name: values}) for values in (now, was))
    return columns_html(*tables, [feature], scores)


def test_numbers_are_drawn_in_bins_and_only_the_ends_are_named() -> None:
    page = drawn(NUMBER, [float(n) for n in range(100)], [float(n) / 2 for n in range(100)], x=0.31)
    assert page.count("<rect") == BINS
    assert page.count("<text") == 2
    assert "PSI 0.310; missing 0.0%, before 0.0%" in page
    shares = [float(share) for share in re.findall(r"<title>[^:]*: ([\d.]+)%", page)]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_equal_numbers_have_one_bin_and_missing_ones_are_counted() -> None:
    page = drawn(NUMBER, [5.0, 5.0, None, float("nan")], [5.0], x=0.0)
    assert page.count("<rect") == 1
    assert "5: 100.0%, before 100.0%" in page
    assert "missing 50.0%, before 0.0%" in page


def test_the_commonest_values_of_a_category_are_drawn_and_the_rest_together() -> None:
    page = drawn(CATEGORY, [f"v{n}" for n in range(30)], ["v0"] * 30, c=1.0)
    assert page.count("<rect") == MOST + 1
    assert f"{30 - MOST} more: 60.0%, before 0.0%" in page
    assert "v0: 3.3%, before 100.0%" in page


def test_a_value_that_a_caller_sent_is_text() -> None:
    page = drawn(CATEGORY, ["<script>x</script>"], ["a"], c=1.0)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_farthest_column_is_first() -> None:
    table = pa.table({"x": [1.0, 2.0], "c": ["a", "b"]})
    page = columns_html(table, table, [NUMBER, CATEGORY], {"x": 0.1, "c": 0.4})
    assert page.index("<b>c</b>") < page.index("<b>x</b>")
