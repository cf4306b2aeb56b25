"""What a feature set must have, and what is a model's alone."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Feature, Features, FeatureSet, View

VIEW = View(name="hourly", keys=("city",), features=(Feature(name="temp"),))
GIVEN: dict[str, Any] = {
    "name": "weather", "owner": "data", "description": "-", "data": {"sources": ("stations",), "first": date(2013, 1, 1)},
    "features": {"build": "m:views", "views": (VIEW,)}, "expectations": "m:E",
}  # fmt: skip


def test_a_view_without_a_promise_has_the_sets() -> None:
    other = VIEW.model_copy(update={"name": "daily", "freshness": timedelta(days=2), "features": (Feature(name="high"),)})
    made = FeatureSet(**{**GIVEN, "features": {"build": "m:views", "views": (VIEW, other)}}, freshness=timedelta(hours=1))
    assert [view.freshness for view in made.features.views] == [timedelta(hours=1), timedelta(days=2)]
    assert FeatureSet(**GIVEN).features.views[0].freshness is None


def test_a_shared_view_says_whose_it_is_and_a_request_names_no_more_of_it() -> None:
    shared = FeatureSet(**GIVEN).shared(VIEW)
    assert (shared.set, shared.build, shared.owner("churn"), VIEW.owner("churn")) == ("weather", "m:views", "weather", "churn")
    assert {"set"} == shared.model_dump().keys() - VIEW.model_dump().keys()
    assert {"set", "build", "last"}.isdisjoint(VIEW.model_dump())
    assert "sets" not in Features(views=(VIEW,)).model_dump()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features": {"views": (VIEW,)}}, r"features\.build: a feature set needs it"),
        ({"features": {"build": "m:v"}}, r"features\.views: a feature set needs it"),
        ({"data": {}}, r"data\.sources: a feature set needs it"),
        ({"streams": {"finished": ({"view": "daily", "topic": "t"},)}}, r"streams\.views: \['daily'\] is no view"),
        ({"expectations": ""}, r"expectations: a feature set needs it"),
        ({"features": {"build": "m:v", "views": (VIEW,), "labels": "m:l"}}, r"features\.labels: is a model's"),
        ({"features": {"build": "m:v", "views": (VIEW,), "request": ({"name": "x"},)}}, r"features\.request: is a model's"),
        (
            {"features": {"build": "m:v", "views": (VIEW,), "sets": ("climate",)}},
            r"features\.sets: a feature set reads no other one, so that none can depend on itself \(seen: climate\)",
        ),
        ({"features": {"build": "m:v", "views": (VIEW, VIEW)}}, r"names must be unique, seen more than once: \['temp'\]"),
        ({"features": {"build": "m:v", "views": ({"name": "entities", "keys": ("k",), "features": ()},)}}, "is reserved"),
        ({"name": "Weather"}, "must be lower case"),
        ({"tags": ("Two words",)}, r"tags\.0"),
        ({"freshness": timedelta(0)}, "freshness"),
        ({"label": "late"}, "label: is not a field here"),
    ],
)
def test_what_a_set_lacks_or_may_not_have_is_said(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        FeatureSet(**{**GIVEN, **changed})
