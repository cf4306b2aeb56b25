from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from include.core.spec import View
from include.prediction_log.record import SHADOW, Record
from include.problems.of import of_spec
from include.serving.ranking.overlap import ListCopy, overlap, shadow_list
from tests.support.films import SPEC, Shares, known, version

SHOWN = [("q/brazil", "brazil", 0.9), ("q/diva", "diva", 0.2)]
ROW = {"likes": "alien", "had": "", "share": None, "new": ""}


def _copy(row: dict[str, Any] | None) -> ListCopy:
    return ListCopy(2, 7, "u", 1, {"guest": "ann"}, {"new": ""}, [], 2, "2020-01-05T10:00:00", row, SHOWN)


class Store:
    """Knows that Ann likes Alien."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def fetch(
        self, model: str, views: tuple[View, ...], entities: Sequence[Mapping[str, Any]], at: datetime
    ) -> list[dict[str, Any]]:
        assert (model, at) == ("films", datetime.fromisoformat("2020-01-05T10:00:00"))
        self.asked.append((views[0].name, len(entities)))
        return known(entities) if views[0].name == "film" else [{"likes": "alien"} for _ in entities]


@pytest.mark.parametrize("row", [ROW, None])
def test_each_item_that_was_shown_gets_its_place_in_the_shadows_list(row: dict[str, Any] | None) -> None:
    store = Store()
    records = shadow_list(SPEC, version(2), _copy(row), store.fetch)
    assert [(each.id, each.place, each.against_place) for each in records] == [("q/brazil", 0, 0), ("q/diva", 3, 1)]
    assert [each.score for each in records] == [pytest.approx(0.9), None]  # Diva is not near: the shadow has not ranked it
    assert {(each.kind, each.version, each.against_version, each.unit, each.generation) for each in records} == {
        (SHADOW, 2, 1, "u", 7)
    }
    assert [each.against for each in records] == [0.9, 0.2]
    assert store.asked == ([("film", 3)] if row else [("taste", 1), ("film", 3)])  # all items in one read
    assert overlap(records, 2) == 0.5
    apart = [of_spec(SPEC).apart(each) for each in records]
    assert apart == [0.0, 1.0]  # what the judge of the shadow's stage sees


def test_a_shadow_that_fails_says_so_of_each_item() -> None:
    broken = shadow_list(SPEC, version(2, Shares(fails=True)), _copy(ROW), Store().fetch)
    assert [each.error is not None and "a broken ranker" in each.error for each in broken] == [True, True]
    assert overlap(broken, 2) == 0.0
    nothing = shadow_list(SPEC, version(2, brings=False), _copy(ROW), Store().fetch)
    assert {each.error for each in nothing} == {"version 2 brings no items to recommend"}


def test_a_store_that_is_away_is_the_records_error() -> None:
    def away(*_: Any) -> list[dict[str, Any]]:
        raise ConnectionError("no store")

    records = shadow_list(SPEC, version(2), _copy(ROW), away)
    assert {each.error for each in records} == {"version 2 made no list: no store"}


def test_overlap_counts_the_first_places_alone() -> None:
    def shown(against_place: int, place: int | None) -> Record:
        return Record(SHADOW, "x", "", place=place, against_place=against_place)

    lists = [shown(0, 1), shown(1, 2), shown(2, 0)]
    assert overlap(lists, 2) == 0.5
    assert overlap(lists, 3) == 1.0
    assert overlap([], 3) is None
