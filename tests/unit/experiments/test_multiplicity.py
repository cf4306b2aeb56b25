"""Holm's procedure and the stated order."""

from __future__ import annotations

from include.experiments.multiplicity import hierarchy, holm


def test_holm_by_hand() -> None:
    assert holm({"a": 0.03, "b": 0.01, "c": 0.04}) == {"a": 0.06, "b": 0.03, "c": 0.06}
    assert holm({}) == {}
    assert holm({"a": 0.4, "b": 0.9}) == {"a": 0.8, "b": 0.9}


def test_a_hierarchy_stops_at_the_first_that_does_not_answer() -> None:
    assert hierarchy({"a": 0.01, "b": 0.2, "c": 0.001}) == {"a": 0.01, "b": 0.2, "c": 0.2}
