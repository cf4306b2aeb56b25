from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from include.core.errors import SpecError
from include.core.spec import (
    Binary,
    Data,
    Explanations,
    Feature,
    Features,
    ModelSpec,
    PrivateTraining,
    Retraining,
    Rollout,
    Training,
    View,
)
from include.core.spec.dtypes import kind_of, length_of
from include.evaluation.request import section_of
from include.training.request import CAME_LATER

GOOD: dict[str, Any] = {
    "name": "toy",
    "owner": "me",
    "description": "A toy.",
    "label": "late",
    "data": {"sources": ("flights",), "first": date(2013, 1, 1)},
    "features": {
        "build": "m:build",
        "entities": "m:entities",
        "labels": "m:labels",
        "views": ({"name": "weather", "keys": ("origin",), "features": ({"name": "temp"}, {"name": "wind"})},),
        "request": ({"name": "hour", "dtype": "int"},),
    },
    "expectations": "m:EXPECTATIONS",
    "training": {"fit": "m:fit"},
}


def with_(**changes: Any) -> dict[str, Any]:
    """GOOD with changes; `a__b=1` changes `b` inside `a`."""
    values = {**GOOD}
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        values[outer] = {**values.get(outer, {}), inner: value} if inner else value
    return values


def test_inputs_keys_and_code_are_in_order() -> None:
    spec = ModelSpec(**GOOD)
    assert [feature.name for feature in spec.features.inputs] == ["temp", "wind", "hour"]
    assert spec.features.keys == ("origin",)
    assert spec.code == ("m:build", "m:entities", "m:labels", "m:EXPECTATIONS", "m:fit")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nmae": "x"}, r"nmae: is not a field here \(seen: 'x'\)"),
        ({"training__epoch": 3}, r"training\.epoch: is not a field here \(seen: 3\)"),
        ({"training__window_days": 0}, r"training\.window_days: .*greater than or equal to 1 \(seen: 0\)"),
        ({"training__window_days": "long"}, r"training\.window_days: .*integer.*\(seen: 'long'\)"),
        ({"training__fit": "no colon"}, r"training\.fit: must look like 'package\.module:name' \(seen: 'no colon'\)"),
        ({"name": "Flight Delay"}, r"name: must be lower case letters.*\(seen: 'Flight Delay'\)"),
        ({"evaluation__metric": "mae"}, r"evaluation\.metric: 'mae' is no metric of this Binary; it has auc, log_loss"),
        ({"rollout__steps": (20, 5, 100)}, r"rollout\.steps: must rise.*100.*\(seen: \(20, 5, 100\)\)"),
        ({"rollout__steps": ()}, r"rollout\.steps: must rise"),
        ({"rollout__steps": (5, 50)}, r"rollout\.steps: must rise.*end at 100"),
        ({"rollout__alpha": 0.5}, r"rollout\.alpha: .*less than 0\.5 \(seen: 0\.5\)"),
        ({"evaluation__slices": ("airport",)}, r"evaluation\.slices: \['airport'\] is neither a feature nor a key"),
        ({"evaluation__baseline": "airport"}, r"evaluation\.baseline: \['airport'\] is neither"),
        ({"features__request": ({"name": "temp"},)}, r"features: names must be unique, seen more than once: \['temp'\]"),
        (
            {"features__request": ({"name": "review", "dtype": "text"},)},
            r"training\.inputs: \['review'\] of features is text, .*training\.inputs=\"columns\"",
        ),
        ({"data__first": "the beginning"}, r"data\.first: .*\(seen: 'the beginning'\)"),
    ],
)
def test_a_wrong_spec_is_refused_with_field_value_and_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=r"The spec of model .* is wrong:\n") as caught:
        ModelSpec(**with_(**changes))
    assert re.search(message, str(caught.value)), str(caught.value)


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        ModelSpec(**with_(name="X Y", training__window_days=0, typo=1))
    assert len(str(caught.value).splitlines()) == 4


def test_a_missing_field_is_named() -> None:
    with pytest.raises(SpecError, match=r"label: Field required"):
        ModelSpec(**{name: value for name, value in GOOD.items() if name != "label"})


def test_a_spec_is_frozen() -> None:
    spec = ModelSpec(**GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        spec.owner = "somebody"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        spec.training.window_days = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Feature(name="Bad Name"), r"Feature\(name='Bad Name'\).*wrong:\n  name: must be lower case.*seen: 'Bad Name'"),
        (lambda: Feature(), r"Feature\(\.\.\.\).*\n  name: Field required"),
        (lambda: Feature(name="x", dtype="string"), r"  dtype: must be float, .*text or vector\[n\].*seen: 'string'"),
        (lambda: Feature(name="x", dtype="vector[0]"), r"  dtype: must be .*vector\[64\].*seen: 'vector\[0\]'"),
        (lambda: Feature(name="x", dtype="vector[9000]"), r"  dtype: a vector has at most 8192 numbers"),
        (lambda: Feature(name="x", dtype="vector[2]", default=(1.0,)), r"default: must be 2 numbers \(seen: \(1\.0,\)\)"),
        (lambda: Feature(name="x", dtype="vector[1]", default=(math.inf,)), r"default: must be finite numbers"),
        (lambda: Feature(name="x", dtype="bool", default="yes"), r"default: must be True or False"),
        (lambda: Feature(name="x", dtype="text", default=3), r"default: must be text"),
        (lambda: Feature(name="x", dtype="text", default="\ud800"), r"default: .*surrogate"),
        (lambda: View(name="v", keys=("K",), features=()), r"View\(name='v'\).*\n  keys\.0: must be lower case.*seen: 'K'"),
        (lambda: View(name="v", keys=("k",), features=({"name": "F"},)), r"\n  features\.0\.name: must be lower case"),
        (lambda: Data(sources=("s",), first="soon"), r"Data\(\.\.\.\).*\n  first: .*seen: 'soon'"),
        (lambda: Training(fit="nothing"), r"Training\(.*\n  fit: must look like"),
        (lambda: Rollout(steps=(50,)), r"Rollout\(.*\n  steps: must rise"),
        (lambda: Retraining(consecutive=3, within=2), r"Retraining\(.*\n  Retraining: within \(2\) must be at least consecutive"),
        (lambda: Features.model_validate({"build": 3}), r"Features\(.*\n  build: "),
    ],
)  # fmt: skip
def test_a_wrong_part_of_a_spec_is_refused_like_the_whole(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert re.search(message, str(caught.value)), str(caught.value)


def test_every_mistake_of_a_part_is_reported_with_its_place_in_the_spec() -> None:
    with pytest.raises(SpecError) as caught:
        ModelSpec(**with_(features__views=({"name": "A", "keys": ("k",), "features": ({"name": "B"},)},), training__seed="x"))
    text = str(caught.value)
    assert "features.views.0.name" in text
    assert "features.views.0.features.0.name" in text
    assert "training.seed" in text


def test_the_types_of_inputs_are_told_apart_by_kind_and_length() -> None:
    assert [kind_of(each) for each in ("bool", "text", "vector[64]")] == ["bool", "text", "vector"]
    assert [length_of(each) for each in ("bool", "text", "vector[64]")] == [0, 0, 64]
    with pytest.raises(ValueError, match=r"vector\[n\]"):
        kind_of("vector[-1]")


def test_a_spec_with_every_type_of_input_is_read_back_from_json_as_it_was() -> None:
    inputs = (
        Feature(name="returned", dtype="bool", default=False),
        Feature(name="review", dtype="text", default="none"),
        Feature(name="embedding", dtype="vector[3]", default=(0.0, 1.0, -1.0)),
        Feature(name="price", default=0.0),
    )
    spec = ModelSpec(**with_(features__request=inputs, training__inputs="columns"))
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec
    assert [type(each.default) for each in spec.features.request] == [bool, str, tuple, float]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"strategy": "fsdp"}, "at least 2 training.workers"),
        ({"offload": True, "workers": 2}, 'offload is of the strategy "fsdp"'),
        ({"strategy": "deepspeed"}, "strategy"),
    ],
)
def test_a_strategy_that_no_fit_can_do_is_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError, match=named):
        Training(**values)


def test_a_shared_model_and_offload_are_asked_for_together() -> None:
    asked = Training(strategy="fsdp", offload=True, workers=2)
    assert (asked.strategy, asked.offload) == ("fsdp", True)
    assert {"strategy", "offload"} <= set(CAME_LATER), "their defaults are in no request's key"


def test_what_the_evaluation_came_to_tell_is_in_no_key_unless_it_is_asked_for() -> None:
    spec = ModelSpec(**GOOD)
    assert not {"explanations", "privacy"} & set(section_of(spec))
    asked = spec.model_copy(update={"evaluation": spec.evaluation.model_copy(update={"explanations": Explanations()})})
    assert section_of(asked) == {**section_of(spec), "explanations": Explanations().model_dump(mode="json")}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"workers": 2, "strategy": "fsdp"}, 'strategy "fsdp"'),
        ({"precision": "bf16"}, 'precision other than "32"'),
        ({"memory_rows": 100}, "memory_rows"),
        ({"warm_start": True}, "warm_start"),
        ({"search": {"a": (1, 2)}}, "search"),
    ],
)
def test_what_a_private_fit_could_not_account_for_is_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError, match=f"privacy: cannot go with {named}"):
        Training(privacy=PrivateTraining(epsilon=3.0), **values)


def test_a_private_fit_has_one_bound_and_rows_that_stand_alone() -> None:
    for values in ({}, {"epsilon": 1.0, "noise_multiplier": 1.0}):
        with pytest.raises(SpecError, match="either epsilon or noise_multiplier"):
            PrivateTraining(**values)
    asked = Training(fit="m:fit", privacy=PrivateTraining(epsilon=1.0))
    with pytest.raises(SpecError, match=r"training\.privacy: weights are divided by their sum"):
        ModelSpec(**{**GOOD, "training": asked, "problem": Binary(weight="w")})
    assert "privacy" in CAME_LATER, "without it the key is what it was"
