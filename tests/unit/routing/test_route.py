from __future__ import annotations

import pytest

from include.core.control import ControlStore
from include.core.errors import DataError
from include.routing.route import BUCKETS, Route, bucket, read_route, read_routes, set_route, unit


def test_buckets_are_stable_over_processes_and_releases() -> None:
    """Literal values: a change of the hash would move every entity in the middle of a rollout."""
    assert [bucket(entity, "flight_delay") for entity in ("a", "b", "EWR\x1fUA")] == [8317, 8967, 8308]


def test_buckets_spread_evenly_and_differ_between_models() -> None:
    counts = [0] * 10
    for n in range(20_000):
        counts[bucket(f"entity-{n}", "toy") * 10 // BUCKETS] += 1
    assert all(1800 < count < 2200 for count in counts)
    assert sum(bucket(f"e{n}", "a") == bucket(f"e{n}", "b") for n in range(1000)) < 10


def test_raising_a_weight_moves_no_entity_off_the_challenger() -> None:
    units = [unit(f"entity-{n}", "toy") for n in range(3000)]
    before: set[int] = set()
    for weight in (0, 1, 5, 20, 50, 99, 100):
        route = Route(champion=1, challenger=2, weight=weight)
        on_challenger = {u for u in units if route.arm(u) == "challenger"}
        assert before <= on_challenger
        assert abs(len(on_challenger) / len(units) - weight / 100) < 0.03
        before = on_challenger
    assert len(before) == len(units)


def test_without_a_champion_the_challenger_answers_all_from_its_first_canary_on() -> None:
    assert not Route(challenger=1).live
    assert Route(challenger=1, weight=5).live
    assert {Route(challenger=1, weight=5).arm(unit(f"e{n}", "toy")) for n in range(200)} == {"challenger"}


@pytest.mark.parametrize("values", [{"weight": 101}, {"weight": -1}, {"champion": 1, "weight": 5}])
def test_impossible_weights_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(DataError):
        Route(**values)


def test_every_write_bumps_the_generation(control: ControlStore) -> None:
    assert read_route(control, "toy") == (0, Route())
    for generation, route in enumerate(
        (Route(champion=1), Route(champion=1, challenger=2, weight=5, shadow=3, previous=1)), start=1
    ):
        with control.transaction() as connection:
            assert set_route(connection, "toy", route) == generation
        assert read_route(control, "toy") == (generation, route)
    assert read_routes(control) == {"toy": (2, route)}
