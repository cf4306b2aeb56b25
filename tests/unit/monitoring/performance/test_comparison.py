from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import brier_score_loss, f1_score, log_loss, precision_score, recall_score, roc_auc_score

from include.metrics import estimates as metric
from include.monitoring.performance.comparison import Baseline, calibration, judged, landed, measure
from include.monitoring.performance.label_delay import LabelDelay
from include.monitoring.performance.slices import Terms
from tests.unit.monitoring.synthetic import MADE, predictions, put, rows

TERMS = Terms("auc", 200)


def window(seed: int = 3, per_day: int = 200) -> pa.Table:
    return predictions(rows(MADE, 7, per_day, seed))


def scores(n: int = 3000, seed: int = 0) -> tuple[metric.Floats, metric.Floats]:
    rng = np.random.default_rng(seed)
    score = np.round(rng.beta(2, 4, n), 2)  # rounded: ties
    return (rng.random(n) < score).astype(float), score


def test_metrics_agree_with_scikit_learn() -> None:
    label, score = scores()
    assert metric.auc(label, score) == pytest.approx(roc_auc_score(label, score))
    assert metric.log_loss(label, score) == pytest.approx(log_loss(label, np.clip(score, 1e-7, 1 - 1e-7)))
    assert metric.brier(label, score) == pytest.approx(brier_score_loss(label, score))
    assert metric.calibration_error(label, score) < 0.03
    assert metric.calibration_error(label, score / 2) > 0.1


def test_decisions_at_a_threshold_agree_with_scikit_learn() -> None:
    label, score = scores()
    for threshold in (0.3, 0.5):
        said = score >= threshold
        found = metric.metrics(threshold)
        assert found["precision"](label, score) == pytest.approx(precision_score(label, said))
        assert found["recall"](label, score) == pytest.approx(recall_score(label, said))
        assert found["f1"](label, score) == pytest.approx(f1_score(label, said))
    assert metric.metrics(1.1)["precision"](label, score) == metric.metrics(1.1)["f1"](label, score) == 0.0


@pytest.mark.parametrize("name", ["precision", "recall", "f1", "accuracy", "log_loss", "brier"])
def test_the_error_of_a_metric_is_the_spread_of_fresh_samples(name: str) -> None:
    samples = [scores(1500, seed) for seed in range(200)]
    spread = np.std([metric.metrics(0.4)[name](*sample) for sample in samples])
    one_group = np.zeros(1500, np.int64)
    error = np.mean([metric.standard_error(name, *sample, one_group, 0.4) for sample in samples])
    assert error == pytest.approx(spread, rel=0.15)


def test_delong_agrees_with_the_spread_of_fresh_samples() -> None:
    samples = [scores(1500, seed) for seed in range(200)]
    spread = np.std([metric.auc(*sample) for sample in samples])
    error = np.mean([metric.auc_error(*sample) for sample in samples])
    assert error == pytest.approx(spread, rel=0.15)


def test_days_that_differ_widen_the_error() -> None:
    label, score = scores(2100)
    day = np.repeat(np.arange(7), 300)
    stormy = np.where(day == 3, 1 - label, label)  # one day the model is wrong about everything
    assert metric.standard_error("auc", stormy, score, day) > 3 * metric.auc_error(stormy, score)
    assert metric.standard_error("auc", label, score, np.zeros(2100, np.int64)) == metric.auc_error(label, score)


def test_a_model_as_good_as_on_its_holdout_has_no_drop_beyond_noise() -> None:
    found = measure(window(), Baseline({"auc": 0.82}, 1400), (), TERMS)
    assert found.verdict == "measured"
    assert found.drop is not None
    assert found.drop_error is not None
    assert abs(found.drop) < 3 * found.drop_error
    assert found.drop_error > found.errors["auc"]  # the holdout is noisy too
    assert found.words.startswith("AUC on 1,400 landed rows 0.8")
    assert "was 0.820 on the champion's holdout" in found.words


def test_a_broken_model_drops_beyond_noise() -> None:
    table = window()
    random = put(table, "score", np.random.default_rng(0).random(table.num_rows))
    found = measure(random, Baseline({"auc": 0.78}, 25000), (), TERMS)
    assert found.drop is not None
    assert found.drop_error is not None
    assert found.drop > 0.2
    assert found.drop > 5 * found.drop_error


def test_a_higher_log_loss_is_a_drop() -> None:
    found = measure(window(), Baseline({"log_loss": 0.1}, 1000), (), Terms("log_loss", 200))
    assert found.drop is not None
    assert found.drop > 0


def test_few_labels_or_one_class_abstain() -> None:
    few = measure(window().slice(0, 8), Baseline({"auc": 0.7}, 1000), (), TERMS)
    assert (few.verdict, few.words) == ("abstain", "8 labels of the champion's own answers have landed; 200 are needed.")
    none = measure(window().slice(0, 0), Baseline({}, 0), (), TERMS)
    assert (none.verdict, none.drop) == ("abstain", None)
    table = window()
    one = measure(put(table, "label", [0.0] * table.num_rows), Baseline({"auc": 0.7}, 1000), (), TERMS)
    assert one.verdict == "abstain"
    assert "fewer than 20 of a class" in one.words


def test_without_holdout_metrics_it_measures_and_compares_nothing() -> None:
    found = measure(window(), Baseline({}, 0), (), TERMS)
    assert (found.verdict, found.expected, found.drop, found.drop_error) == ("measured", None, None, None)


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
    assert judged(found, half).words.startswith("54% of the labels that will come have landed; 90% are needed")
    assert judged(found, half).drop is None
    assert judged(found, LabelDelay(2000, 700, 10.0, 0.9)) is found


def test_slices_large_enough_have_their_own_metric() -> None:
    found = measure(window(), Baseline({"auc": 0.78}, 1000), ("carrier_code", "nowhere"), TERMS)
    by_value = {one["value"]: one for one in found.slices}
    assert set(by_value) == {"AA", "B6", "DL", "UA"}
    assert 0.5 < by_value["UA"]["auc"] < 1
    assert "too few rows" in by_value["AA"]["words"]
    assert found.to_json()["slices"][0]["value"] == "UA"
