"""Feature sets and a model that reads them, as specs alone."""

from __future__ import annotations

from datetime import date
from typing import Any

from include.core.errors import SpecError
from include.core.spec import Data, Feature, Features, FeatureSet, ModelSpec, View


def view(name: str, *features: str, key: str = "city") -> View:
    return View(name=name, keys=(key,), features=tuple(Feature(name=each) for each in features))


def feature_set(name: str, *views: View) -> FeatureSet:
    return FeatureSet(
        name=name, owner="data", description="-", data=Data(sources=("s",), first=date(2013, 1, 1), last=date(2014, 1, 1)),
        features=Features(build=f"{name}:views", views=views), expectations="m:E",
    )  # fmt: skip


SETS = {
    "weather": feature_set("weather", view("hourly", "temp", "wind"), view("daily", "high", key="country")),
    "climate": feature_set("climate", view("yearly", "temp"), view("monthly", "rain")),
    "again": feature_set("again", view("hourly", "gusts")),
}


def model(*sets: str, **given: Any) -> ModelSpec:
    features = {"entities": "m:e", "labels": "m:l", "sets": sets, "request": ({"name": "price"},), **given.pop("features", {})}
    return ModelSpec(
        name="churn", owner="me", description="-", label="late", data=Data(sources=("a",), first=date(2013, 1, 1)),
        expectations="m:E", training={"fit": "m:f"}, features=features, **given,
    )  # fmt: skip


def load(name: str) -> FeatureSet:
    if name not in SETS:
        raise SpecError(f"There is no feature set {name!r}.", hint="did you mean weather?")
    return SETS[name]
