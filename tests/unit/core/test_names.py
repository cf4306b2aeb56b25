from __future__ import annotations

from typing import Any

import pytest

from include.core.names import COLUMNS, DATASETS, SCHEMAS, clashes
from include.core.spec import Data, Feature, Features, ModelSpec, View
from tests.support.toy_ledger import SPEC


def spec(**changes: Any) -> ModelSpec:
    """The toy's spec as an author wrote it, before it was checked."""
    return SPEC.model_copy(update=changes)


def features(
    view: str = "weather", keys: tuple[str, ...] = ("origin",), names: tuple[str, ...] = ("wind",), created: str | None = None
) -> Features:
    """One view of those names, and the request's `hour`; unchecked, as pydantic would refuse some of them first."""
    of_view = tuple(Feature.model_construct(name=name) for name in names)
    views = (View.model_construct(name=view, keys=keys, features=of_view, created=created),)
    return SPEC.features.model_copy(update={"views": views, "request": (Feature.model_construct(name="hour"),)})


def test_names_that_clash_with_nothing_are_free() -> None:
    assert list(clashes(SPEC)) == []
    assert list(clashes(spec(features=features()))) == []


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "label"])
def test_no_feature_key_or_label_has_the_name_of_a_column_beside_it(name: str) -> None:
    for changed in (spec(features=features(names=(name,))), spec(features=features(keys=(name,))), spec(label=name)):
        assert any(f"{name!r} is reserved" in told for told in clashes(changed))


def test_the_label_may_be_called_label() -> None:
    assert list(clashes(spec(label="label"))) == []
    assert any("'label' is reserved" in told for told in clashes(spec(features=features(names=("label",)))))


@pytest.mark.parametrize("name", DATASETS)
def test_no_view_has_the_name_of_a_dataset(name: str) -> None:
    assert any(f"features.views: {name!r} is reserved" in told for told in clashes(spec(features=features(view=name))))


@pytest.mark.parametrize("name", [*SCHEMAS, "duckdb_flights", "pg_flights", "sqlite_x"])
def test_no_source_has_the_name_of_a_schema_or_begins_as_duckdbs_own(name: str) -> None:
    data = Data.model_construct(sources=(name,), first=SPEC.data.first)
    assert any(f"data.sources: {name!r} is reserved" in told for told in clashes(spec(data=data)))


def test_a_name_is_used_once() -> None:
    told = list(clashes(spec(features=features(names=("wind", "hour")))))
    assert told == ["features: names must be unique, seen more than once: ['hour']"]
    twice = features(keys=("origin", "origin"))
    assert list(clashes(spec(features=twice))) == [
        "features.views.weather.keys: names must be unique, seen more than once: ['origin']"
    ]


def test_what_is_to_be_predicted_is_no_input() -> None:
    assert list(clashes(spec(label="wind", features=features()))) == [
        "label: 'wind' is a feature too; what is to be predicted cannot be known beforehand"
    ]
    assert "label: 'origin' is a key too" in next(iter(clashes(spec(label="origin", features=features()))))


def test_a_key_is_no_feature() -> None:
    assert any("['origin'] are a key and a feature" in told for told in clashes(spec(features=features(names=("origin",)))))


@pytest.mark.parametrize(("created", "what"), [("origin", "a key"), ("wind", "a feature"), (SPEC.label, "the label")])
def test_an_arrival_time_is_a_column_of_its_own(created: str, what: str) -> None:
    told = list(clashes(spec(features=features(created=created))))
    assert told == [f"features.views.weather.created: {created!r} is {what} too; the arrival time is a column of its own"]
    assert list(clashes(spec(features=features(created="created_timestamp")))) == []
