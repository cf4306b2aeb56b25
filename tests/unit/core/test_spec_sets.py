"""A model's spec with the views of its feature sets: whole, or refused by name."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Evaluation
from include.core.spec_sets import with_sets
from tests.support.sets_of_spec import load, model, view


def test_their_views_follow_the_models_own() -> None:
    own = {"build": "m:v", "views": (view("mine", "age"),)}
    spec = with_sets(model("weather.daily", "climate.monthly", features=own), load)
    assert [(each.set, each.name) for each in spec.features.views] == [("", "mine"), ("weather", "daily"), ("climate", "monthly")]
    assert [feature.name for feature in spec.features.inputs] == ["age", "high", "rain", "price"]
    assert (spec.features.keys, spec.features.owners) == (("city", "country"), ("weather", "climate"))
    assert (spec.features.views[1].build, spec.features.views[1].last) == ("weather:views", date(2014, 1, 1))
    assert spec.features.computed.views == spec.features.own == own["views"]


def test_a_view_that_is_named_twice_is_read_once() -> None:
    assert [each.name for each in with_sets(model("weather", "weather.daily"), load).features.views] == ["hourly", "daily"]


def test_what_stands_on_their_features_is_checked_with_them() -> None:
    named = {"evaluation": Evaluation(slices=("high",))}
    assert with_sets(model("weather", **named), load).evaluation.slices == ("high",)
    with pytest.raises(SpecError, match=r"evaluation\.slices: \['high'\] is neither a feature nor a key"):
        with_sets(model("climate", **named), load)


def test_what_a_spec_leaves_out_is_left_out_all_the_same() -> None:
    assert with_sets(model("climate"), load).evaluation == model("climate").evaluation


@pytest.mark.parametrize(
    ("sets", "features", "message"),
    [
        (("whether",), {}, r"(?s)reads the feature set 'whether', which cannot be had.*did you mean weather\?"),
        (("weather.hourl",), {}, r"(?s)the view 'hourl' of the feature set 'weather', which has no such.*did you mean hourly\?"),
        (
            ("weather", "climate"), {},
            r"the feature 'temp' is in feature set weather \(view hourly\) and in feature set climate \(view yearly\)",
        ),
        (("weather", "again"), {}, r"the view 'hourly' is in feature set weather and in feature set again"),
        (
            ("weather",), {"build": "m:v", "views": (view("mine", "temp"),)},
            r"the feature 'temp' is in the model's own views \(view mine\) and in feature set weather",
        ),
        (("weather",), {"request": ({"name": "wind"},)}, r"the feature 'wind' is in feature set weather .* and in the request"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_or_had_is_refused(sets: tuple[str, ...], features: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        with_sets(model(*sets, features=features), load)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"sets": ("Weather",)}, r"features\.sets: must be the name of a feature set, or set\.view"),
        ({"sets": ("weather", "weather")}, r"names \['weather'\] twice"),
        ({"sets": ()}, r"features\.build: is needed"),
        ({"sets": (), "build": "m:v", "views": (view("mine", "age").model_copy(update={"set": "weather"}),)}, "is filled in"),
    ],
)
def test_a_spec_says_which_sets_in_one_place(features: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        model("weather", features=features)
