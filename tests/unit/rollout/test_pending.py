"""Which labels find which answers, from rows in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from include.core.spec import Binary
from include.prediction_log.record import Record
from include.problems.of import problem_of
from include.rollout.journal import ANSWERS, DTYPES, LABELS, Table
from include.rollout.pending import SKEW, join, label_name_and_value, request_number

SECOND = 1_000_000


def answers(*rows: tuple[str, int, int, int]) -> Table:
    """(id, unit, slice, second)"""
    return Table(
        (), np.array([(request_number(i), unit, 0, 1.0, slot, at * SECOND) for i, unit, slot, at in rows], DTYPES[ANSWERS])
    )


def labels(*rows: tuple[str, int, int]) -> Table:
    """(id, slice, second)"""
    rows_: list[tuple[Any, ...]] = [(request_number(i), 0, 1.0, slot, at * SECOND) for i, slot, at in rows]
    return Table(("label",), np.array(rows_, DTYPES[LABELS]))


def found(known: Table, told: Table) -> list[tuple[int, int, int]]:
    """(row of the label, unit of the answer, slice)"""
    pairs = join(known, told)
    units = known.rows["unit"][pairs.of_answer]
    return sorted(zip(pairs.of_label.tolist(), units.tolist(), pairs.slots.tolist(), strict=True))


@pytest.mark.parametrize("turned", [1, -1])
def test_of_one_id_the_first_answer_counts(turned: int) -> None:
    rows = [("a", 7, 1, 10), ("a", 7, 3, 50), ("b", 8, 2, 20)][::turned]
    assert found(answers(*rows), labels(("a", 5, 60), ("b", 5, 61), ("nobody's", 5, 62))) == [(0, 7, 5), (1, 8, 5)]
    first = join(answers(*rows), labels(("a", 5, 60)))
    assert answers(*rows).rows["at"][first.of_answer[0]] == 10 * SECOND


@pytest.mark.parametrize("turned", [1, -1])
def test_an_id_of_two_entities_is_nobodys_from_the_second_one_on(turned: int) -> None:
    rows = [("a", 7, 1, 10), ("a", 9, 4, 40)][::turned]
    assert found(answers(*rows), labels(("a", 2, 20), ("a", 4, 39), ("a", 4, 41), ("a", 8, 80))) == [(0, 7, 2), (1, 7, 4)]


def test_a_label_that_was_read_before_its_answer_waits_for_it() -> None:
    """Of two gateways one publishes sooner: the label of the slice before counts in that of the answer."""
    assert found(answers(("a", 7, 6, 100)), labels(("a", 5, 101))) == [(0, 7, 6)]


def test_a_label_that_was_written_before_the_answer_is_of_another_request() -> None:
    skew = SKEW // SECOND
    known = answers(("a", 7, 1, 100))
    assert found(known, labels(("a", 1, 100 - skew), ("a", 1, 99 - skew))) == [(0, 7, 1)]


def test_no_rows_are_no_pairs() -> None:
    assert found(answers(), labels(("a", 1, 1))) == []
    assert found(answers(("a", 1, 1, 1)), labels()) == []


def test_an_outcome_that_did_not_happen_and_a_label_of_no_class_say_nothing() -> None:
    problem = problem_of(Binary())
    assert label_name_and_value(Record("outcome", "a", "", label=1.0, metric="sale"), problem) == ("outcome:sale", 1.0)
    assert label_name_and_value(Record("outcome", "a", "", label=0.0, metric="sale"), problem) is None
    assert label_name_and_value(Record("label", "a", "", label=1.0), problem) == ("label", 1.0)
    assert label_name_and_value(Record("label", "a", "", label_class="gone"), problem) is None
