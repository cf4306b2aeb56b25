from __future__ import annotations

from pathlib import Path

from include.overview.standing import Partitions, overview
from include.routing.applied import applied_at, note_applied
from include.routing.route import Route, set_route
from include.routing.split import Split
from include.versions.store import add_in
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, record


def test_nothing_is_known_of_a_model_before_its_first_version(tmp_path: Path) -> None:
    found = overview(empty_control(tmp_path), MODEL)
    assert (found.versions, found.route, found.rollout, found.events, found.decisions) == ((), {}, {}, (), ())
    assert (found.partitions, found.champion, found.live, found.weights) == (Partitions("", 0), None, False, {})


def test_the_route_with_its_generation_and_the_shares_that_it_gives(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    with control.transaction() as connection:
        add_in(connection, record(1, "1.0.0"))
        set_route(connection, MODEL, Route(champion=1, challenger=2, weight=5))
    found = overview(control, MODEL)
    assert {name: found.route[name] for name in ("champion", "challenger", "weight", "generation")} == {
        "champion": 1, "challenger": 2, "weight": 5, "generation": 1,
    }  # fmt: skip
    assert found.route["at"]
    assert found.weights == {"1": 95, "2": 5}
    assert [each.version for each in found.versions] == [1]


def test_an_experiment_s_shares_are_shown(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    with control.transaction() as connection:
        set_route(connection, "toy", Route(champion=1, challenger=2, experiment=Split("x", "s", 5_000, 1_650)))
    assert overview(control, "toy").weights == {"1": 83.5, "2": 16.5}


def test_an_endpoint_elsewhere_is_shown_with_the_route_that_it_was_last_seen_to_follow(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    assert overview(control, MODEL).target == {}
    for generation, config in ((1, "toy-1"), (3, "toy-3"), (2, "toy-2")):
        note_applied(control, MODEL, generation, config)
    target = overview(control, MODEL).target
    assert (target["generation"], target["config"]) == (3, "toy-3")
    assert target["at"] == applied_at(control, MODEL, 3)
