"""A model's request features for tests: something of each type to read, and one expression."""

from __future__ import annotations

from include.core.spec import Feature, Features, View
from include.request_features.definition import RequestFeatures

LOOKED_UP = (Feature(name="f"), Feature(name="g", default=2.0))
SENT = (
    Feature(name="i", dtype="int"), Feature(name="j", dtype="int", default=3), Feature(name="b", dtype="bool"),
    Feature(name="s", dtype="category"), Feature(name="t", dtype="text", default="x"),
)  # fmt: skip
KINDS = ("float", "int", "bool", "category")


def features(*computed: Feature) -> Features:
    """`f` and `g` are looked up; `i`, `j`, `b`, `s` and `t` come with the request."""
    return Features(views=(View(name="v", keys=("k",), features=LOOKED_UP),), request=computed, request_fields=SENT)


def computed(expression: str, dtype: str = "float", default: float | str | None = None) -> Feature:
    return Feature(name="out", dtype=dtype, default=default, expression=expression)


def wanted(expression: str, dtype: str = "float") -> RequestFeatures:
    made = RequestFeatures.of(features(computed(expression, dtype)))
    assert made is not None
    return made
