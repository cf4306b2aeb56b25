from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.metrics import binary
from include.metrics.binary import METRICS
from include.monitoring.performance.comparison import Baseline, calibration, judged, landed, measure
from include.monitoring.performance.label_delay import LabelDelay
from include.monitoring.performance.terms import Terms
from tests.support.scored_rows import scores
from tests.support.synthetic_predictions import MADE, predictions, put, rows

TERMS = Terms("auc", 200, 0.5)


def window(seed: int = 3, per_day: int = 200) -> pa.Table:
    return predictions(rows(MADE, 7, per_day, seed))


def test_a_model_as_good_as_on_its_holdout_has_no_drop_beyond_noise() -> None:
    found = measure(window(), Baseline({"auc": 0.82}, 1400), (), TERMS)
    assert found.verdict == "measured"
    assert found.drop is not None
    assert found.drop_error is not None
    assert abs(found.drop) < 3 * found.drop_error
    assert found.drop_error > found.errors["auc"]  # the holdout is noisy too
    assert found.summary.startswith("AUC on 1,400 landed rows 0.8")
    assert "was 0.820 on the champion's holdout" in found.summary


def test_a_broken_model_drops_beyond_noise() -> None:
    table = window()
    random = put(table, "score", np.random.default_rng(0).random(table.num_rows))
    found = measure(random, Baseline({"auc": 0.78}, 25000), (), TERMS)
    assert found.drop is not None
    assert found.drop_error is not None
    assert found.drop > 0.2
    assert found.drop > 5 * found.drop_error


def test_a_higher_log_loss_is_a_drop() -> None:
    found = measure(window(), Baseline({"log_loss": 0.1}, 1000), (), Terms("log_loss", 200, 0.5))
    assert found.drop is not None
    assert found.drop > 0


def test_few_labels_or_one_class_abstain() -> None:
    few = measure(window().slice(0, 8), Baseline({"auc": 0.7}, 1000), (), TERMS)
    assert (few.verdict, few.summary) == ("abstain", "8 labels of the champion's own answers have landed; 200 are needed.")
    none = measure(window().slice(0, 0), Baseline({}, 0), (), TERMS)
    assert (none.verdict, none.drop) == ("abstain", None)
    table = window()
    one = measure(put(table, "label", [0.0] * table.num_rows), Baseline({"auc": 0.7}, 1000), (), TERMS)
    assert one.verdict == "abstain"
    assert "at least 20 of either class are needed" in one.summary


def test_without_holdout_metrics_it_measures_and_compares_nothing() -> None:
    found = measure(window(), Baseline({}, 0), (), TERMS)
    assert (found.verdict, found.expected, found.drop, found.drop_error) == ("measured", None, None, None)


@pytest.mark.parametrize("name", METRICS)
def test_on_the_same_rows_the_evaluation_and_the_monitoring_say_the_same(name: str) -> None:
    """Wherever the threshold lies, the champion's own holdout is no drop."""
    table = window()
    label, score = (table[each].cast(pa.float64()).to_numpy() for each in ("label", "score"))
    evaluated = {metric: value for metric, value in binary.measure(label, score, 0.3).items() if value is not None}
    found = measure(table, Baseline(evaluated, table.num_rows, threshold=0.3), (), Terms(name, 200, 0.3))
    assert found.metrics[name] == pytest.approx(evaluated[name], abs=1e-6)
    assert found.drop == pytest.approx(0, abs=1e-6)


def test_decisions_measured_at_another_threshold_are_not_compared() -> None:
    table, terms = window(), Terms("accuracy", 200, 0.3)
    for before, where in ((Baseline({"accuracy": 0.9}, 1400, threshold=0.5), "the threshold 0.5"),
                          (Baseline({"accuracy": 0.9}, 1400), "an unknown threshold")):  # fmt: skip
        found = measure(table, before, (), terms)
        assert (found.verdict, found.expected, found.drop, found.drop_error) == ("measured", None, None, None)
        assert f"not compared with the holdout, measured at {where} and not at 0.3" in found.summary
    assert measure(table, Baseline({"auc": 0.9}, 1400, threshold=0.5), (), Terms("auc", 200, 0.3)).drop is not None


def test_where_the_holdout_was_kept_it_is_measured_again_at_the_new_threshold() -> None:
    table = window()
    found = measure(table, Baseline({"accuracy": 0.9}, 9000, table, threshold=0.5), (), Terms("accuracy", 200, 0.3))
    assert found.drop == pytest.approx(0)
    assert found.drop_error == pytest.approx(np.sqrt(2) * found.errors["accuracy"])  # of as many rows as were kept


def test_only_full_answers_of_the_champion_with_a_label_count() -> None:
    table = window().slice(0, 4)
    table = put(table, "version", pa.array([1, 2, None, 1], pa.int32()))
    table = put(table, "degraded", [False, False, False, True])
    assert landed(table, 1).num_rows == 1
    assert landed(table, None).num_rows == 3
    assert landed(put(table, "label", pa.nulls(4, pa.float64())), None).num_rows == 0


def test_the_calibration_slope_tells_scores_that_are_too_far_apart() -> None:
    label, score = scores(20_000)
    sharp = 1 / (1 + np.exp(-2 * np.log(score.clip(0.01, 0.99) / (1 - score.clip(0.01, 0.99)))))
    true, double = calibration(label, score), calibration(label, sharp)
    assert abs(true["slope"] - 1) < 3 * true["slope_error"]
    assert double["slope"] == pytest.approx(0.5, abs=3 * double["slope_error"])


def test_too_few_landed_labels_speak_for_nobody() -> None:
    found = measure(window(), Baseline({"auc": 0.82}, 1400), (), TERMS)
    half = LabelDelay(2000, 700, 600.0, 0.9, "2013-04-10 06:00")
    assert judged(found, half).summary.startswith("54% of the labels that will come have landed; 90% are needed")
    assert judged(found, half).drop is None
    assert judged(found, LabelDelay(2000, 700, 10.0, 0.9)) is found


def test_slices_large_enough_have_their_own_metric() -> None:
    found = measure(window(), Baseline({"auc": 0.78}, 1000), ("carrier_code", "nowhere"), TERMS)
    by_value = {one["value"]: one for one in found.slices}
    assert set(by_value) == {"AA", "B6", "DL", "UA"}
    assert 0.5 < by_value["UA"]["auc"] < 1
    assert "too few rows" in by_value["AA"]["words"]
    assert found.to_json()["slices"][0]["value"] == "UA"
