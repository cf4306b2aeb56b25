"""The estimator: it learns, stays within the space, and suggests the same of what it is told, whoever asks."""

from __future__ import annotations

import math
import random

import pytest

from include.core.spec.search import Choice, Float, Integer, Search
from include.training.search.space import drawn
from include.training.search.suggest import Seen
from tests.support.later import Later

pytestmark = pytest.mark.lives  # optuna takes a second to import
tpe = Later("include.backends.optuna.tpe")

SEARCH = Search(
    space={
        "rate": Float(low=1e-4, high=1.0, log=True),
        "width": Integer(low=4, high=31, step=3),
        "kind": Choice(values=(1, True, "a", [1, 2])),
    },
    seed=3,
)


def loss(point: dict[str, object]) -> float:
    return abs(math.log10(float(point["rate"])) + 2) + (point["kind"] != "a")  # type: ignore[arg-type]


def seen(count: int) -> list[Seen]:
    chance = random.Random(0)
    points = [drawn(SEARCH.space, chance) for _ in range(count)]
    found = [Seen(point, [(1, loss(point) + 1), (3, loss(point))], "whole") for point in points]
    found[0] = Seen(points[0], [], "running")
    found[1] = Seen(points[1], [], "failed")
    found[2] = Seen(points[2], [(1, 0.1)], "part")
    return found


def test_it_suggests_the_same_of_the_same_and_learns() -> None:
    known = seen(40)
    points = [tpe.suggest(SEARCH, number, known) for number in range(40, 48)]
    assert points == [tpe.suggest(SEARCH, number, known) for number in range(40, 48)]
    assert sum(loss(point) for point in points) / 8 < sum(loss(each.point) for each in known) / 40
    for point in points:
        assert 1e-4 <= point["rate"] <= 1.0
        assert point["width"] in range(4, 32, 3)
        assert any(point["kind"] is value or point["kind"] == value for value in SEARCH.space["kind"].values)  # type: ignore[union-attr]


def test_it_begins_where_nothing_was_measured() -> None:
    assert set(tpe.suggest(SEARCH, 0, [])) == set(SEARCH.space)
    assert set(tpe.suggest(SEARCH, 1, [Seen(drawn(SEARCH.space, random.Random(0)), [], "failed")])) == set(SEARCH.space)
