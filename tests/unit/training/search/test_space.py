"""Points of a space: within their bounds, the same from the same seed."""

from __future__ import annotations

import random

import pytest

from include.core.spec.search import Choice, Float, Integer
from include.training.search.space import drawn, on_grid, own, perturbed

SPACE = {
    "rate": Float(low=1e-4, high=1e-1, log=True, points=4),
    "share": Float(low=0.0, high=1.0, points=3),
    "width": Integer(low=8, high=64, step=8),
    "depth": Integer(low=1, high=9, log=True, perturb=True),
    "kind": Choice(values=("a", True, 1), perturb=True),
}


def test_points_lie_within_their_bounds_and_reach_all_of_them() -> None:
    chance = random.Random(0)
    points = [drawn(SPACE, chance) for _ in range(2000)]
    assert {point["width"] for point in points} == set(range(8, 65, 8))
    assert {point["depth"] for point in points} == set(range(1, 10))
    assert {repr(point["kind"]) for point in points} == {repr("a"), "True", "1"}
    rates = sorted(float(point["rate"]) for point in points)
    assert rates[0] >= 1e-4
    assert rates[-1] <= 1e-1
    assert rates[1000] == pytest.approx(10**-2.5, rel=0.25), "by ratios, half lies below the geometric middle"


def test_the_same_seed_draws_the_same_point() -> None:
    assert drawn(SPACE, random.Random("7/3")) == drawn(SPACE, random.Random("7/3"))
    assert drawn(SPACE, random.Random("7/3")) != drawn(SPACE, random.Random("7/4"))


def test_a_grid_has_every_combination_or_a_sample_of_them() -> None:
    few = {name: SPACE[name] for name in ("rate", "share")}
    points = on_grid(few, 100, random.Random(0))
    assert len(points) == 12
    assert sorted({point["rate"] for point in points}) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert len(on_grid(few, 5, random.Random(0))) == 5
    assert on_grid(few, 5, random.Random(1)) == on_grid(few, 5, random.Random(1))


def test_a_perturbed_point_stays_beside_it_and_what_may_not_change_stays() -> None:
    chance, point = random.Random(0), drawn(SPACE, random.Random(1))
    moved = [perturbed(SPACE, point, chance) for _ in range(400)]
    assert {each["width"] for each in moved} == {point["width"]}
    near = [float(each["rate"]) / float(point["rate"]) for each in moved]
    assert sum(ratio == pytest.approx(0.8) or ratio == pytest.approx(1.2) for ratio in near) > 200
    assert all(1e-4 <= float(each["rate"]) <= 1e-1 for each in moved)
    assert {each["depth"] for each in moved} <= set(range(1, 10))


def test_parameters_are_a_point_of_the_space_where_each_is_there_and_within_its_bounds() -> None:
    point = {"rate": 1e-2, "share": 0.0, "width": 16, "depth": 9, "kind": True}
    assert own(SPACE, {**point, "epochs": 3}) == point
    for name, value in {"rate": 0.2, "width": 17, "depth": 10, "kind": "b", "share": True}.items():
        assert own(SPACE, {**point, name: value}) is None, name
    assert own(SPACE, {name: point[name] for name in point if name != "depth"}) is None
