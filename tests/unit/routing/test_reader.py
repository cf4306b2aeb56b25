from __future__ import annotations

from include.core.control import ControlStore
from include.routing.reader import RouteReader, read_routes
from include.routing.route import Route, set_route


def test_all_routes_with_their_generations(control: ControlStore) -> None:
    reader = RouteReader(control)
    assert reader.read() == read_routes(control) == {}
    for route in (Route(champion=1), Route(champion=1, challenger=2, weight=5, previous=1)):
        with control.transaction() as connection:
            set_route(connection, "toy", route)
    assert reader.read() == read_routes(control) == {"toy": (2, route)}


def test_a_reader_of_an_unchanged_store_hands_out_what_it_has(control: ControlStore) -> None:
    reader = RouteReader(control)
    with control.transaction() as connection:
        set_route(connection, "toy", Route(champion=1))
    assert reader.read() is reader.read()
