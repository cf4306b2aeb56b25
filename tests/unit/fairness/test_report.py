"""What people read of groups: whatever comes from data is escaped, and what is withheld is in no page."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.core.spec import Attribute, Binary, Fairness, Limit
from include.fairness.assess import Rows, assess
from include.fairness.report import sections
from include.problems.of import problem_of
from include.problems.truth import Truth
from include.step_values.fairness import FairnessValue

EVIL = "<img src=x onerror=alert(1)>"


def value(groups: list[str], **spec: object) -> FairnessValue:
    draw = np.random.default_rng(1)
    scores, labels = draw.random(len(groups)), (draw.random(len(groups)) < 0.4).astype(np.float64)
    limits = (Limit(measure="demographic_parity_ratio", limit=0.8),)
    asked = Fairness(**{"attributes": (Attribute(column="sex"),), "limits": limits, **spec})
    return assess(Rows(pa.table({"sex": groups}), Truth(labels), scores), asked, problem_of(Binary()), ())


def test_a_page_has_tables_a_chart_and_the_verdict_and_nothing_unescaped() -> None:
    page = sections(value(["F"] * 300 + [EVIL] * 300 + ["'\"&"] * 40))
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert EVIL not in page
    assert "<svg" in page
    assert "Selected is who gets a yes, as serving.threshold (0.5) decides." in page
    assert "Too small to be judged alone: &#x27;&quot;&amp; (40 people)." in page
    assert "what the rows say" in page


def test_three_people_are_named_and_not_counted() -> None:
    page = sections(value(["F"] * 300 + ["M"] * 300 + ["Q"] * 3))
    assert "Q (fewer than 5 people" in page
    assert "Counts are rounded to tens" in page
    assert "603" not in page


@pytest.mark.parametrize("groups", [["F"] * 300, ["F"] * 3 + ["M"] * 3, ["F"] * 30 + ["M"] * 40])
def test_nothing_to_compare_is_said_and_is_no_verdict(groups: list[str]) -> None:
    found = value(groups)
    page = sections(found)
    assert "not judged" in page
    assert "nothing is known either way" in found["words"]
