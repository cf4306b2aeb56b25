"""The champion's answers, which a stage's limits are taken from."""

from __future__ import annotations

import numpy as np
import pytest

from include.core.spec import Binary, Costs, MultiClass, Ranking, Regression
from include.core.time import precise
from include.prediction_log.record import Record
from include.problems.of import problem_of
from include.problems.problem import Problem
from include.rollout.baseline import BASELINE, KEPT, LABELS, Baseline, BaselineCounts, losses, newest
from include.rollout.journal import DTYPES, SAMPLES, Table

NUMBERS = problem_of(Regression(scale=10.0))


def labelled(baseline: BaselineCounts, problem: Problem, errors: list[float]) -> None:
    for error in errors:
        request = f"r{baseline.requests}"
        baseline.add(Record("prediction", request, precise(), score=100.0, unit="1"), problem)
        baseline.add_label(Record("label", request, precise(), label=100.0 + error), problem)


def of(counts: BaselineCounts, problem: Problem) -> Baseline:
    latencies, scores = newest([counts.samples.table])
    found = losses(counts.answers.table, counts.told.table, problem)
    return Baseline(counts.requests, counts.errors, counts.labels, latencies, scores, found)


def test_large_errors_are_the_champions_own_quantiles() -> None:
    counts, errors = BaselineCounts(), list(np.random.default_rng(1).standard_t(2, 500))
    labelled(counts, NUMBERS, errors)
    limits = of(counts, NUMBERS).limits(0.0, NUMBERS)
    assert limits["loss_p50"] == pytest.approx(np.quantile(np.abs(errors), 0.5), rel=1e-4)
    assert limits["loss_p90"] == pytest.approx(np.quantile(np.abs(errors), 0.9), rel=1e-4)


def test_while_few_losses_are_known_the_size_that_matters_by_the_spec_is_the_limit() -> None:
    counts = BaselineCounts()
    labelled(counts, NUMBERS, [1.0] * (LABELS - 1))
    assert of(counts, NUMBERS).limits(0.0, NUMBERS) == {"loss_p50": 10.0}
    labelled(counts, NUMBERS, [1.0])
    assert of(counts, NUMBERS).limits(0.0, NUMBERS) == {"loss_p50": 1.0}


def test_answers_without_a_loss_have_no_say_in_its_size() -> None:
    costs = problem_of(Binary(costs=Costs(false_positive=2.0, false_negative="amount")))
    counts = BaselineCounts()
    for number in range(1000):
        record = Record("prediction", str(number), precise(), score=0.01, unit="1", features={"amount": float(number)})
        counts.add(record, costs)
        counts.add_label(Record("label", str(number), precise(), label=float(number >= 900)), costs)
    # Yes is said from about an amount of 200 on: those are wrong at a cost of 2, and no miss is left.
    assert of(counts, costs).limits(0.0, costs)["loss_p50"] == 2.0
    assert "loss_p90" not in of(counts, costs).limits(0.0, costs)
    assert Baseline().limits(0.0, costs) == {"loss_p50": 0.0}


def test_a_label_of_nobodys_answer_or_of_an_unknown_class_adds_nothing() -> None:
    counts = BaselineCounts()
    counts.add_label(Record("label", "before the rollout", precise(), label=3.0), NUMBERS)
    for unit in ("1", "2"):
        counts.add(Record("prediction", "contested", precise(), score=1.0, unit=unit), NUMBERS)
    counts.add_label(Record("label", "contested", precise(), label=3.0), NUMBERS)
    found = of(counts, NUMBERS)
    assert (found.labels, found.losses) == (2, [])
    classes = problem_of(MultiClass(classes=("a", "b"), costs=((0, 1), (3, 0))))
    counts.add(Record("prediction", "r", precise(), score=0.9, decision=0, unit="1"), classes)
    counts.add_label(Record("label", "r", precise(), label_class="gone"), classes)
    assert of(counts, classes).losses == []


def test_the_first_label_of_an_answer_says_what_it_loses() -> None:
    counts = BaselineCounts()
    labelled(counts, NUMBERS, [5.0])
    counts.add_label(Record("label", "r0", precise(), label=1.0), NUMBERS)
    assert of(counts, NUMBERS).losses == [5.0]


def test_the_newest_answers_count_whichever_source_has_them() -> None:
    rng = np.random.default_rng(2)
    rows = np.array([(at, at, rng.random()) for at in range(3 * KEPT)], DTYPES[SAMPLES])
    parts = [rows[rng.random(len(rows)) < 0.3] for _ in range(3)]
    once = np.unique(np.concatenate([*parts, rows]))
    latencies, scores = newest([Table((), part) for part in np.array_split(rng.permutation(once), 5)])
    assert latencies == list(range(2 * KEPT, 3 * KEPT))
    assert scores == rows["score"][-KEPT:].tolist()
    # What a source keeps is enough: its own newest ones.
    kept = [Table((), part[-KEPT:]) for part in np.array_split(rows, 2)]
    assert newest(kept) == (latencies, scores)


def test_a_plain_binary_model_remembers_no_answer() -> None:
    plain = BaselineCounts()
    plain.add(Record("prediction", "r", precise(), score=0.5), problem_of(Binary()))
    plain.add_label(Record("label", "r", precise(), label=1.0), problem_of(Binary()))
    assert (plain.answers.rows, plain.told.rows, plain.labels) == ([], [], 1)


def test_scores_of_a_ranking_have_no_tails_and_small_numbers_keep_their_digits() -> None:
    ranking = problem_of(Ranking(query="q", item="i"))
    for problem, names in ((ranking, set()), (NUMBERS, {"score_low", "score_high"})):
        counts = BaselineCounts()
        for number in range(BASELINE):
            counts.add(Record("prediction", str(number), "", score=1e-8 * number, place=number), problem)
        found = of(counts, problem)
        assert {name for name in found.limits(0.0, problem) if name.startswith("score")} == names
        assert found.scores[3] == 3e-8
