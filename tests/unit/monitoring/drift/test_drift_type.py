from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.monitoring.drift.drift import DriftVerdict
from include.monitoring.drift.drift_type import PLAIN, DriftType, drift_types
from include.monitoring.profile.prediction_columns import (
    LABEL,
    RESIDUAL,
    SCORE,
    SLOPE,
    answer_axes,
    answer_columns,
    appended,
    importance,
)
from include.monitoring.profile.profiles import profile_parts, window
from include.monitoring.quality import Quality
from include.monitoring.reference import Reference, cut
from include.problems.truth import Truth
from tests.support.synthetic_predictions import MADE, rows

QUIET = DriftVerdict("none", "No drift.")
WHOLE = Quality(700, ())
LONG = (MADE - timedelta(days=56), 56)


def said(table: Any, label: Any = None, score: Any = None) -> Any:
    """The answers' columns beside the time, as the steps make them."""
    own = np.asarray(table["score"]) if score is None else score
    true = np.asarray(table["late"], float) if label is None else label
    return appended(table.select(["event_timestamp"]), columns(true, own, 0.35))


def columns(label: Any, score: Any, center: float) -> dict[str, pa.Array]:
    """Of a plain binary model."""
    return answer_columns(PLAIN, Truth(np.asarray(label, float)), np.asarray(score), center, pa.chunked_array([label]))


@pytest.fixture(scope="module")
def past() -> Reference:
    """Eight weeks of a model whose score is the very probability of its label."""
    table = rows(*LONG, 150, 1, 0.03)
    axes = answer_axes(PLAIN, columns(np.asarray(table["late"], float), table["score"], 0.35))
    return Reference(tuple(axes), cut(profile_parts(said(table), axes, "event_timestamp"), 7, MADE), (), table.num_rows)


def found(reference: Reference, table: Any, **counts: int) -> dict[str, DriftType]:
    parts = profile_parts(table, reference.axes, "event_timestamp")
    n = table.num_rows
    numbers = {"rows": n, "labelled": n, "answered": n, "own": n, **counts}
    return drift_types(window(parts, "2013", "2014"), numbers, reference, WHOLE, QUIET, 200)


def verdicts(all_kinds: dict[str, DriftType]) -> dict[str, str]:
    return {name: kind.verdict for name, kind in all_kinds.items()}


def week(seed: int = 5) -> Any:
    return rows(MADE, 7, 150, seed, 0.03)


def test_an_ordinary_week_differs_in_no_way(past: Reference) -> None:
    for seed in range(20, 30):
        assert set(verdicts(found(past, said(week(seed)))).values()) == {"none"}


def test_higher_scores_that_come_true_are_a_matter_of_prediction_and_label_not_of_concept(past: Reference) -> None:
    table, rng = week(), np.random.default_rng(0)
    score = np.asarray(table["score"]) ** 0.5
    kind = found(past, said(table, (rng.random(table.num_rows) < score).astype(float), score))
    assert verdicts(kind) == {"quality": "none", "covariate": "none", "prediction": "drift", "label": "drift", "concept": "none"}
    assert "The mean score is" in kind["prediction"].summary


def test_scores_that_no_longer_mean_what_they_meant_are_a_matter_of_concept(past: Reference) -> None:
    table, rng = week(), np.random.default_rng(0)
    score = np.asarray(table["score"])
    kind = found(past, said(table, (rng.random(table.num_rows) < score + 0.25).astype(float)))
    assert (kind["prediction"].verdict, kind["concept"].verdict) == ("none", "drift")
    assert "points more often than the score says" in kind["concept"].summary


def test_scores_that_have_lost_their_meaning_are_found_though_their_mean_is_right(past: Reference) -> None:
    table, rng = week(), np.random.default_rng(0)
    label = (rng.random(table.num_rows) < np.asarray(table["score"]).mean()).astype(float)
    kind = found(past, said(table, label))
    assert (kind["label"].verdict, kind["concept"].verdict) == ("none", "drift")
    assert kind["concept"].columns == (SLOPE,)
    assert "high scores promise more than they hold" in kind["concept"].summary


def test_labels_that_have_mostly_not_landed_are_not_judged(past: Reference) -> None:
    kind = found(past, said(week()), labelled=600)
    assert kind["label"].verdict == "abstain"
    assert "57% of the labels have landed; 90% are needed" in kind["label"].summary


def test_nothing_known_of_the_answers_is_reported_and_no_drift() -> None:
    kind = drift_types({}, {"rows": 700, "labelled": 700, "answered": 0, "own": 0}, Reference((), {}), WHOLE, QUIET, 200)
    assert [kind[name].verdict for name in ("prediction", "label", "concept")] == ["abstain"] * 3


def test_a_champion_that_did_not_answer_is_not_judged(past: Reference) -> None:
    table = week()
    kind = found(past, said(table, None, np.full(table.num_rows, np.nan)), answered=0, own=0)
    assert (kind["prediction"].verdict, kind["label"].verdict, kind["concept"].verdict) == ("abstain", "none", "abstain")


def test_answers_need_what_they_are_made_of() -> None:
    both = columns([1.0, 0.0, np.nan], [0.75, np.nan, 0.5], 0.5)
    assert (both[SCORE][2].as_py(), both[LABEL][1].as_py()) == (0.5, 0.0)
    assert both[RESIDUAL][0].as_py() == 0.25
    assert both[SLOPE][0].as_py() == 0.0625
    assert np.isnan(both[RESIDUAL].to_numpy()[1:]).all()


def test_importance_is_the_share_of_the_score_that_rests_on_a_column() -> None:
    names = ["much", "none", "little"]
    drawn = np.random.default_rng(0).random((3, 5000))

    def score(table: pa.Table) -> Any:
        return 0.8 * table["much"].to_numpy() - 0.2 * table["little"].to_numpy()

    shares = importance(score, pa.table(dict(zip(names, drawn, strict=True))), names, PLAIN)
    assert shares["none"] == 0
    assert shares["much"] == pytest.approx(0.8, abs=0.02)
    assert sum(shares.values()) == pytest.approx(1)
