"""What a spec may say of its streams."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Column, EventSource, Feature, FinishedView, Streams, View
from tests.support.event_logs import PAYMENTS, card_spec


def test_by_default_nothing_comes_as_a_stream() -> None:
    assert Streams().sources == ()
    assert Streams().late == timedelta(hours=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "shop"}, "no column"),
        ({"sources": (PAYMENTS, PAYMENTS)}, "there twice"),
        ({"sources": ()}, "there are none"),
        ({"views": ("nowhere",)}, "is no view"),
        ({"key": "id"}, "is no key of view"),
        ({"finished": (FinishedView(view="nowhere", topic="x"),)}, "is no view"),
        ({"finished": (FinishedView(view="card", topic="payments"),)}, "there twice"),
        ({"late": timedelta(days=-1)}, "late"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        card_spec(**change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": "cents"}, "of type 'time'"),
        ({"id": "nowhere"}, "must be one of"),
        ({"columns": PAYMENTS.columns * 2}, "there twice"),
    ],
)
def test_a_source_s_columns(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        EventSource(**{**PAYMENTS.model_dump(), **change})


def test_a_source_that_is_none_of_the_data_s() -> None:
    other = EventSource(source="other", topics=("t",), columns=(Column(name="at", type="time"),), time="at")
    with pytest.raises(SpecError, match=r"none of data\.sources"):
        card_spec(sources=(other,), key="")


def test_finished_rows_have_no_vectors() -> None:
    spec = card_spec()
    taste = View(name="taste", keys=("card",), features=(Feature(name="taste", dtype="vector[3]"),))
    features = spec.features.model_copy(update={"views": (*spec.features.views, taste)})
    streams = Streams(finished=(FinishedView(view="taste", topic="t"),))
    with pytest.raises(SpecError, match="has a vector"):
        type(spec)(**{**dict(spec), "features": features, "streams": streams})
