"""An experiment's arms: sticky, of the stated shares, and independent of rollouts and of other experiments."""

from __future__ import annotations

import numpy as np
import pytest

from include.core.errors import DataError
from include.routing.entity_hash import BUCKETS, unit
from include.routing.route import Route
from include.routing.split import Split

WHO = [f"e{number}" for number in range(20_000)]


def arms(route: Route) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([route.draw(unit(who, "toy"), who, unit)[0] == "challenger" for who in WHO])


def test_the_shares_are_as_stated_and_who_is_not_enrolled_is_told() -> None:
    route = Route(champion=1, challenger=2, experiment=Split("x", "s", 5_000, 1_000))
    drawn = [route.draw(unit(who, "toy"), who, unit) for who in WHO]
    assert sum(experiment == "x" for _, experiment in drawn) / len(WHO) == pytest.approx(0.5, abs=0.02)
    assert sum(arm == "challenger" for arm, _ in drawn) / len(WHO) == pytest.approx(0.1, abs=0.01)
    assert all(experiment for arm, experiment in drawn if arm == "challenger")
    assert drawn == [route.draw(unit(who, "toy"), who, unit) for who in WHO]


def test_arms_of_two_salts_and_of_a_rollout_are_independent() -> None:
    """Knowing one arm says nothing of the other: half of the treated are treated there, too, by chance alone."""
    one, two = (arms(Route(champion=1, challenger=2, experiment=Split("x", salt, BUCKETS, 5_000))) for salt in ("a", "b"))
    rollout = arms(Route(champion=1, challenger=2, weight=20))
    assert two[one].mean() == pytest.approx(0.5, abs=0.02)
    assert one[rollout].mean() == pytest.approx(0.5, abs=0.03)
    assert rollout.mean() == pytest.approx(0.2, abs=0.02)


def test_a_route_survives_its_json_and_is_written_as_before_without_an_experiment() -> None:
    with_one = Route(champion=1, challenger=2, previous=3, experiment=Split("x", "s", BUCKETS, 5_000))
    assert Route.from_json(with_one.to_json()) == with_one
    plain = Route(champion=1)
    assert plain.to_json() == {"champion": 1, "challenger": None, "weight": 0, "shadow": None, "previous": None}
    assert Route.from_json(plain.to_json()) == plain


@pytest.mark.parametrize(("enrolled", "treated"), [(BUCKETS, 0), (BUCKETS, BUCKETS), (0, 0), (BUCKETS + 1, 1)])
def test_an_arm_without_a_share_is_refused(enrolled: int, treated: int) -> None:
    with pytest.raises(DataError, match="two arms"):
        Split("x", "s", enrolled, treated)


def test_no_rollout_beside_it() -> None:
    split = Split("x", "s", BUCKETS, 5_000)
    for route in ({"champion": 1, "challenger": 2, "weight": 5}, {"champion": 1}, {"challenger": 2}):
        with pytest.raises(DataError, match="champion and a challenger"):
            Route(experiment=split, **route)
