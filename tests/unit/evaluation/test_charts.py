"""Charts of the report: they hold their values, and nothing of them is markup."""

from __future__ import annotations

import re

import pytest

from include.evaluation.charts import LEFT, RIGHT, calibration, drawn
from include.step_values.evaluation import CurveValue
from tests.support.problem_draws import KINDS
from tests.support.problem_draws import drawn as rows_of


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_curves_of_every_kind_are_drawn_within_their_plane(kind: str) -> None:
    problem, truth, outputs = rows_of(kind)
    for curve in problem.curves(truth, outputs):
        page = drawn(curve)
        assert curve["note"] in page
        if curve["kind"] == "table":
            assert page.count("<tr>") == len(curve["rows"]) + 1
            continue
        places = [float(x) for x in re.findall(r"<(?:circle cx|rect x)=(-?[\d.]+)", page)]
        assert len(places) == len(curve["points"])
        assert min(places) >= LEFT - 15
        assert max(places) <= RIGHT + 15
        assert "nan" not in page


@pytest.mark.parametrize("kind", ["line", "bars"])
def test_a_curve_without_points_says_so_and_one_of_one_point_is_drawn(kind: str) -> None:
    curve: CurveValue = {"title": "<b>", "kind": kind, "note": "a & b", "x": "<x>", "y": "y", "points": []}  # type: ignore[typeddict-item]
    assert "none" in drawn(curve)
    page = drawn({**curve, "points": [[1.0, 2.0]], "level": 2.0})
    assert "&lt;x&gt;" in page
    assert "<x>" not in page
    assert "a &amp; b" in page


def test_calibration_names_what_came_true() -> None:
    bins = [{"rows": 10, "score": 0.25, "rate": 0.3}]
    assert "0.300 positive" in calibration(bins)  # type: ignore[arg-type]
    of_classes = calibration(bins, "share of rows where it is right")  # type: ignore[arg-type]
    assert "0.300 right" in of_classes
    assert "share of rows where it is right" in of_classes
