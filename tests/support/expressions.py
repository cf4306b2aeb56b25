"""A model's request features for tests: something of each type to read, and one expression."""

from __future__ import annotations

from benchmarks.request_features.expressions import LOOKED_UP
from benchmarks.request_features.expressions import READ as SENT
from include.core.spec import Feature, Features
from include.request_features.definition import RequestFeatures


def features(*computed: Feature) -> Features:
    """`f` and `g` are looked up; `i`, `j`, `b`, `s` and `t` come with the request."""
    return Features(views=(LOOKED_UP,), request=computed, request_fields=SENT)


def computed(expression: str, dtype: str = "float", default: float | str | None = None) -> Feature:
    return Feature(name="out", dtype=dtype, default=default, expression=expression)


def wanted(expression: str, dtype: str = "float") -> RequestFeatures:
    made = RequestFeatures.of(features(computed(expression, dtype)))
    assert made is not None
    return made
