from __future__ import annotations

from datetime import datetime

import pytest

from include.serving.models.loaded_model import ModelError
from include.serving.ranking.ranked import candidates, empty_row, ranked, retrieval_of, views_of
from tests.support.films import SHARES, SPEC, Shares, known, version

MOMENT = datetime.fromisoformat("2013-03-01T10:00:00")
ROW = {"likes": "alien", "had": "", "new": ""}


def test_views_of_an_item_are_those_with_its_key() -> None:
    query, item = views_of(SPEC, version())
    assert [view.name for view in query] == ["taste"]
    assert [view.name for view in item] == ["film"]


def test_the_ranker_orders_what_is_near() -> None:
    model = version()
    row = {**empty_row(model, SPEC), **ROW}
    found, near = candidates(model, row, ())
    order = ranked(model, row, found, known([{"film": film} for film in found]), MOMENT)
    assert near
    assert [each.item for each in order] == ["brazil", "casablanca", "alien"]
    assert [each.score for each in order] == [pytest.approx(SHARES[each.item]) for each in order]
    assert order[0].features == {**row, "share": SHARES["brazil"]}


def test_of_equal_scores_the_nearer_comes_first() -> None:
    order = ranked(version(ranker=Shares(0.0)), ROW, ["diva", "alien"], known([{"film": "diva"}, {"film": "alien"}]), MOMENT)
    assert [each.item for each in order] == ["diva", "alien"]


def test_nothing_is_ranked_of_nothing() -> None:
    assert ranked(version(ranker=Shares(fails=True)), ROW, [], [], MOMENT) == []


def test_without_a_vector_they_are_the_popular_ones() -> None:
    model = version()
    assert candidates(model, {**ROW, "likes": ""}, ()) == (["casablanca", "diva", "alien"], False)


def test_what_fails_is_the_versions_error() -> None:
    with pytest.raises(ModelError, match="brings no items"):
        retrieval_of(version(brings=False))
    with pytest.raises(ModelError, match="version 1 found no candidates"):
        candidates(version(), {**ROW, "likes": "no such film"}, ())
    with pytest.raises(ModelError, match="version 1 failed"):
        ranked(version(ranker=Shares(fails=True)), ROW, ["alien"], [{}], MOMENT)
