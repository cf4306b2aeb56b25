"""A small share of decisions is drawn at random, the same way for the same request, and logged as such."""

from __future__ import annotations

import pytest

from include.prediction_log.record import Record
from include.routing.entity_hash import unit
from include.serving.prediction.exploration import Exploration


def drawn(share: float, count: int = 4000) -> list[Record]:
    exploration = Exploration(share, "toy", unit)
    records = [Record("prediction", f"r{n}", "2026-01-01T00:00:00.000000+00:00", score=0.9) for n in range(count)]
    for record in records:
        exploration.mark(record)
    return records


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_the_share_is_drawn_and_either_decision_is_as_likely(share: float) -> None:
    explored = [record for record in drawn(share) if record.explored]
    assert len(explored) / 4000 == pytest.approx(share, abs=0.03)
    assert all((record.explored, record.decision in (0, 1)) == ("random", True) for record in explored)
    if len(explored) > 1000:
        assert sum(record.decision or 0 for record in explored) / len(explored) == pytest.approx(0.5, abs=0.05)


def test_the_same_request_is_drawn_the_same_way_and_another_model_has_its_own_draw() -> None:
    assert drawn(0.2) == drawn(0.2)
    other = Exploration(0.2, "other", unit)
    records = drawn(0.0)
    for record in records:
        other.mark(record)
    assert [record.explored for record in records] != [record.explored for record in drawn(0.2)]
