from __future__ import annotations

import numpy as np
import pyarrow as pa

from include.evaluation.dependence import dependence
from include.model_contract.input import Input

NUMBERS = np.linspace(-1, 1, 60)


def column(values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def test_a_number_raises_or_lowers_the_answer() -> None:
    wind = Input("wind", "float")
    assert dependence(wind, column(NUMBERS), NUMBERS**3) == "raises it the larger it is (rank correlation +1.00)"
    assert dependence(wind, column(NUMBERS), -NUMBERS).startswith("lowers it")
    assert dependence(wind, column(NUMBERS), np.abs(NUMBERS)) == "neither rises nor falls with its value alone"
    assert dependence(wind, column(NUMBERS), np.zeros(60)) == "says nothing"


def test_a_missing_number_is_no_number() -> None:
    values = [None if place % 5 == 0 else float(value) for place, value in enumerate(NUMBERS)]
    assert dependence(Input("wind", "float"), column(values), NUMBERS).startswith("raises it")
    assert dependence(Input("wind", "float"), column([None] * 50 + [1.0] * 10), NUMBERS) == ""


def test_categories_are_named_at_both_ends() -> None:
    values, shares = ["a"] * 20 + ["b"] * 20 + ["c"] * 18 + ["rare"] * 2, np.repeat([0.2, -0.1, 0.0, 9.0], [20, 20, 18, 2])
    said = dependence(Input("carrier", "category", categories=("a", "b", "c")), column(values), shares)
    assert said == "most for a (+0.2), least for b (-0.1)"


def test_a_text_has_no_direction() -> None:
    assert dependence(Input("note", "text"), column(["x"] * 60), NUMBERS) == ""
