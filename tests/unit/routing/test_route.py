from __future__ import annotations

import pytest

from include.core.control import ControlStore
from include.core.errors import DataError
from include.routing.entity_hash import unit
from include.routing.route import Route, read_route, set_route


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


def test_a_route_knows_the_versions_that_it_names_and_those_it_cannot_do_without() -> None:
    route = Route(champion=1, challenger=2, weight=5, shadow=3, previous=4)
    assert (route.named, route.needed) == ({1, 2, 3, 4}, {1, 2, 3})
    assert (Route().named, Route(champion=1, previous=1).named) == (set(), {1})
