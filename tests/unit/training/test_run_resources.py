"""The run's parameter `resources`: what it changes, what it may not, and what of it is part of a result's key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.request import Ref
from include.core.spec import ModelSpec, Training
from include.core.spec.resources import Resources
from include.models.flight_delay.spec import SPEC
from include.training.request import train_request, tune_request
from include.training.run_resources import NAMES, overridden

TRAINING = Training(fit="include.models.flight_delay.train:fit", resources=Resources(cpus=2, memory_gb=4), workers=2)
SET = Ref("ledger/training_set/x/g0/result.json", "d" * 64, "training_set")


@pytest.fixture
def spec() -> ModelSpec:
    return SPEC.model_copy(update={"training": TRAINING})


def test_nothing_given_is_the_spec_itself(spec: ModelSpec) -> None:
    assert overridden(spec, None) is spec
    assert overridden(spec, {}) is spec


def test_what_is_given_takes_the_place_of_the_specs_own_and_the_rest_stays(spec: ModelSpec) -> None:
    made = overridden(spec, {"gpus": 1, "accelerator": "L4", "precision": "16-mixed", "workers": 3, "time_limit": 600})
    assert made.training.resources == Resources(cpus=2, memory_gb=4, gpus=1, accelerator="L4")
    assert (made.training.precision, made.training.workers, made.training.time_limit) == ("16-mixed", 3, timedelta(minutes=10))
    assert made.training.fit == TRAINING.fit
    assert made.name == spec.name
    assert overridden(spec, {"cpus": 0}).training.resources.cpus == 0  # a need can be taken back, too


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("gpus=1", "is no object"),
        ([1], "is no object"),
        ({"gpu": 1}, "it may hold cpus, memory_gb, gpus"),
        ({1: 1}, "does not know: 1"),
        ({"gpus": "many"}, "resources.gpus"),
        ({"gpus": -1}, "resources.gpus"),
        ({"accelerator": "L4"}, "gpus is 0"),
        ({"precision": "16-mixed"}, "needs a GPU"),
        ({"precision": "8"}, "precision"),
        ({"nodes": 3}, "3 machines for at most 2 workers"),
        ({"workers": 0}, "workers"),
        ({"time_limit": -5}, "time_limit"),
        ({"pool": "gpu"}, "when it parses the DAG"),
        ({"queue": "gpu"}, "say training.queue in the spec"),
    ],
)
def test_what_is_wrong_is_refused_and_named_before_anything_is_computed(spec: ModelSpec, given: Any, named: str) -> None:
    with pytest.raises(SpecError) as refused:
        overridden(spec, given)
    assert named in str(refused.value)
    assert refused.value.safe == "nothing was computed."


def test_what_changes_the_fit_is_part_of_the_key_and_machines_are_not(spec: ModelSpec) -> None:
    for request in (train_request, tune_request):
        usual = request(spec, SET).key
        for given in ({"gpus": 1}, {"cpus": 8, "memory_gb": 64}, {"nodes": 2}, {"placement": "spread"}, {"time_limit": 60}):
            assert request(overridden(spec, given), SET).key == usual, given
        for given in ({"precision": "bf16"}, {"workers": 3}):
            assert request(overridden(spec, given), SET).key != usual, given
        assert request(overridden(spec, {"precision": "32", "workers": 2}), SET).key == usual


def test_pool_and_queue_are_no_part_of_a_key_and_a_plain_precision_is_not_said(spec: ModelSpec) -> None:
    moved = spec.model_copy(update={"training": TRAINING.model_copy(update={"pool": "gpu", "queue": "gpu"})})
    assert train_request(moved, SET).key == train_request(spec, SET).key
    assert not {"precision", "time_limit", "pool", "queue", "resources"} & set(train_request(spec, SET).params["training"])


def test_each_name_is_a_field_of_the_spec() -> None:
    assert set(NAMES) <= {*Resources.model_fields, *Training.model_fields}
