"""Candidates of one query in one request: their places, one arm, one version."""

from __future__ import annotations

import json

from include.core.spec import Ranking
from include.routing.route import Route
from tests.support.kinds_serving import ALONE, FILMS, Make, Says, ask, fails_over, logged, one, size


def test_candidates_are_answered_in_their_order_each_with_its_place_in_its_own_list(scene: Make) -> None:
    made = scene(FILMS, ALONE, size)
    asked = [one(0.25), one(3.0, "p2"), one(2.0), one(1.0, "p2"), one(0.25)]
    answers = ask(made, *asked)
    assert [answer["score"] for answer in answers] == [0.25, 3.0, 2.0, 1.0, 0.25]
    assert [answer["place"] for answer in answers] == [2, 1, 1, 2, 3]
    assert list(answers[0]) == ["id", "score", "place", "version", "arm", "degraded"]
    assert [record.place for record in logged(made)] == [1, 0, 0, 1, 2]


def test_one_candidate_is_answered_as_any_other(scene: Make) -> None:
    made = scene(FILMS, ALONE, size)
    answer = json.loads(made.ask({**one(2.0), "id": "r"}))
    assert (answer["score"], answer["place"], answer["degraded"]) == (2.0, 1, [])


def test_requests_are_lists_of_their_own_whatever_else_is_answered_in_the_turn(scene: Make) -> None:
    made = scene(FILMS, ALONE, size)
    assert [answer["place"] for answer in ask(made, one(1.0), one(2.0))] == [2, 1]
    assert [answer["place"] for answer in ask(made, one(3.0))] == [1]


def test_a_list_meets_one_arm_and_counts_as_one_unit(scene: Make) -> None:
    made = scene(FILMS.model_copy(update={"query": "hour"}), Route(champion=1, challenger=2, weight=50), size, size)
    asked = [
        {"entity": {"place": f"p{place}"}, "features": {"size": float(place), "hour": hour}}
        for hour in range(12)
        for place in range(5)
    ]
    answers = ask(made, *asked)
    by_list: dict[int, set[str]] = {}
    for request, answer in zip(asked, answers, strict=True):
        by_list.setdefault(request["features"]["hour"], set()).add(answer["arm"])
    assert all(len(arms) == 1 for arms in by_list.values())
    units = {(request["features"]["hour"], record.unit) for request, record in zip(asked, logged(made), strict=True)}
    assert len(units) == 12


def test_a_list_is_answered_by_one_version_though_only_one_of_its_candidates_fails(scene: Make) -> None:
    made = scene(FILMS, Route(champion=1, previous=2), fails_over(5), Says(lambda rows: -rows[:, 1]))
    answers = ask(made, one(1.0), one(9.0), one(2.0, "p2"))
    assert [(answer["version"], answer["place"]) for answer in answers] == [(2, 1), (2, 2), (1, 1)]
    assert [answer["degraded"] for answer in answers] == [["champion"], ["champion"], []]


def test_a_query_that_is_no_key_and_no_feature_has_the_request_as_its_list(scene: Make) -> None:
    made = scene(Ranking(query="session", item="place"), ALONE, size)
    assert [answer["place"] for answer in ask(made, one(1.0), one(2.0, "p2"))] == [2, 1]
    assert len({record.unit for record in logged(made)}) == 1
