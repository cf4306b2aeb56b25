from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest

from include.core.errors import SpecError
from include.core.names import PRECOMPUTED
from include.core.spec import Binary, Data, Feature, Features, ModelSpec, MultiClass, Ranking, Scoring, Training, View
from include.online_store.precomputed import NAME, NAMES, Precomputed, nothing_else, rows_of, taken, view_of

AT = datetime.fromisoformat("2013-03-01T10:00:00")


def spec(problem: Any = None, name: str = "heat", **changes: Any) -> ModelSpec:
    features = Features(
        build="x:a", entities="x:b", labels="x:c", request=(Feature(name="size"),),
        views=(View(name="weather", keys=("place",), features=(Feature(name=name),)),),
    )  # fmt: skip
    whole = {
        "name": "toy", "owner": "tests", "description": "a toy", "label": "late", "problem": problem or Binary(),
        "data": Data(sources=("things",), first=date(2020, 1, 1)), "features": features, "expectations": "x:d",
        "training": Training(fit="x:e"), "scoring": Scoring(defaults=True),
    }  # fmt: skip
    return ModelSpec(**{**whole, **changes})


def scores(**columns: Any) -> pa.Table:
    known = {"request_id": ["a"], "event_timestamp": pa.array([AT], pa.timestamp("us")), "place": ["oslo"]}
    return pa.table({**known, **columns, "version": pa.array([7], pa.int32())})


def test_a_batchs_row_comes_back_as_it_was_given() -> None:
    (row,) = rows_of(spec(), scores(score=pa.array([0.25], pa.float32()))).to_pylist()
    assert row["place"] == "oslo"
    assert taken(row) == Precomputed(0.25, 7, (AT - datetime.fromisoformat("1970-01-01")).total_seconds())
    assert set(row) == {"place", "event_timestamp"}, "what was taken is no feature of the row any more"
    assert taken(row) is None


def test_several_outputs_keep_their_order() -> None:
    classes = MultiClass(classes=("a", "b", "c"))
    shares = pa.StructArray.from_arrays([pa.array([x], pa.float32()) for x in (0.5, 0.25, 0.25)], names=["a", "b", "c"])
    table = scores(**{"class": ["a"], "probabilities": shares})
    (row,) = rows_of(spec(classes), table).to_pylist()
    found = taken(row)
    assert found is not None
    assert found.output == [0.5, 0.25, 0.25]


def test_the_age_is_that_of_the_moment_asked_about() -> None:
    found = Precomputed(0.5, 7, (AT - datetime.fromisoformat("1970-01-01")).total_seconds())
    assert found.age(AT.replace(hour=11)) == 3600.0


def test_the_view_lies_under_the_entitys_keys_and_is_none_of_the_authors() -> None:
    view = view_of(spec())
    assert view is not None
    assert (view.name, view.keys, [feature.name for feature in view.features]) == (NAME, ("place",), [*NAMES])
    assert view_of(spec(scoring=Scoring())) is None
    assert (NAME, *NAMES) == PRECOMPUTED
    assert nothing_else(dict.fromkeys(NAMES)) and not nothing_else({"heat": 1.0})  # noqa: PT018


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"problem": Ranking(query="session", item="place")}, "a place in a list is of that list alone"),
        ({"name": "precomputed_at"}, "'precomputed_at' is reserved"),
    ],
)
def test_what_cannot_have_precomputed_scores_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        spec(**changes)


def test_no_time_to_live_is_refused() -> None:
    from datetime import timedelta

    with pytest.raises(SpecError, match="must be longer than nothing"):
        Scoring(ttl=timedelta(0))
