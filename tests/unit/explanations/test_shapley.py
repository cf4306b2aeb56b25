from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from include.backends.shap.values import shapley_values
from include.core.errors import DataError
from include.explanations.layout import Layout, scored
from include.explanations.shapley import asked_of, method_of, shapley
from include.model_contract.batch import join
from include.model_contract.encoder import Form
from tests.support.explained import classes, encoder, probability, rows

FORMS: list[Form] = ["tensor", "columns"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("coalitions", [1000, 47])
@pytest.mark.parametrize("model", [probability, classes])
def test_values_are_those_of_the_library(form: Form, coalitions: int, model: object) -> None:
    """Exact ones, and those along the same permutations; of numbers, categories, vectors and texts."""
    table = rows(40)
    ours = encoder(table, form)
    encoded, layout = ours.encode_table(table), Layout.of(ours)
    own, known = encoded[30:33], encoded[:30]
    pool = join([known, own])

    def score(cells: np.ndarray) -> np.ndarray:
        return scored(model, layout.gathered(pool, cells))  # type: ignore[arg-type]

    exact = method_of(len(layout), coalitions) == "exact"
    asked = asked_of(len(layout), coalitions)
    theirs, base = shapley_values(score, 30, 3, len(layout), asked, exact=exact, seed=5)(0, 1)
    mine = shapley(layout, model, own[:1], known, coalitions, seed=5)  # type: ignore[arg-type]
    assert mine.method == ("exact" if exact else "permutations")
    assert np.abs(mine.values - theirs[0]).max() < 1e-6
    assert np.abs(mine.base - base).max() < 1e-6


@pytest.mark.parametrize("coalitions", [1000, 47, 1])
def test_values_add_up_to_the_answer_less_the_base(coalitions: int) -> None:
    table = rows(60)
    ours = encoder(table)
    encoded = ours.encode_table(table)
    for place in range(40, 60):
        own = encoded[place : place + 1]
        found = shapley(Layout.of(ours), classes, own, encoded[:40], coalitions, seed=place)
        assert found.values.sum(axis=0) == pytest.approx(classes(own)[0] - classes(encoded[:40]).mean(axis=0), abs=1e-6)
        assert found.answer == pytest.approx(classes(own)[0], abs=1e-9)


def test_exact_values_are_the_mean_over_all_orders() -> None:
    """By the definition: each order of the features, each background row."""
    table = rows(12)
    ours = encoder(table)
    layout, encoded = Layout.of(ours), ours.encode_table(table)
    own, known = encoded[11:], encoded[:11]
    total = np.zeros(len(layout))
    for order in itertools.permutations(range(len(layout))):
        told = np.zeros((1, len(layout)), np.bool_)
        before = probability(layout.composed(own, known, told)).mean()
        for feature in order:
            told[0, feature] = True
            after = probability(layout.composed(own, known, told)).mean()
            total[feature] += after - before
            before = after
    found = shapley(layout, probability, own, known, 1000, seed=0)
    assert found.values[:, 0] == pytest.approx(total / math.factorial(len(layout)), abs=1e-12)


def test_a_feature_that_the_model_does_not_read_has_no_share() -> None:
    table = rows(30)
    ours = encoder(table)
    found = shapley(
        Layout.of(ours), lambda rows: np.asarray(rows[:, 0]), ours.encode_table(table)[:1], ours.encode_table(table), 100, 0
    )
    assert np.abs(found.values[1:]).max() == 0
    assert found.values[0, 0] != 0


def test_a_model_that_gives_no_number_is_not_explained() -> None:
    with pytest.raises(DataError, match="cannot be explained"):
        scored(lambda rows: np.full(len(rows), np.nan), np.zeros((3, 1), np.float32))
