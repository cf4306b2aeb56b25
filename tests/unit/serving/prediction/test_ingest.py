"""Rows pushed to a feature set: under its own name, in every version of it that a served model reads; never through a model."""

from __future__ import annotations

import pytest

from include.core.spec import Feature, View
from include.core.spec_sets import with_sets
from include.serving.http.request_error import RequestError
from include.serving.prediction import ingest
from include.serving.prediction.ingest import push_targets
from tests.support.sets_of_spec import load, model

READ = View(name="daily", keys=("country",), features=(Feature(name="high"),), version="old", set="weather")


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code's versions, without code."""

    def made(features: object) -> tuple[View, ...]:
        return tuple(view.model_copy(update={"version": "new"}) for view in features.views)  # type: ignore[attr-defined]

    monkeypatch.setattr(ingest, "present_views", made)
    monkeypatch.setattr(ingest, "_presents", {})


def test_a_set_gets_the_version_of_its_code_and_another_one_by_its_name() -> None:
    spec = load("weather")
    (target,) = push_targets(spec, "daily", [(READ,)])
    assert (target.version, target.owner("weather")) == ("new", "weather")
    (target,) = push_targets(spec, "daily@old", [(READ,)])
    assert (target.version, target.owner("weather")) == ("old", "weather")
    with pytest.raises(RequestError) as refused:
        push_targets(spec, "monthly", [(READ,)])
    assert refused.value.status == 404


@pytest.mark.parametrize("name", ["daily", "daily@old"])
def test_a_view_of_a_set_is_not_pushed_through_a_model(name: str) -> None:
    spec = with_sets(model("weather.daily"), load)
    with pytest.raises(RequestError, match="is a view of the feature set weather, not churn's own") as refused:
        push_targets(spec, name, [])
    assert f"POST /push/weather/{name}" in str(refused.value.body)
