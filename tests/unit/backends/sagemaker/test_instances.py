"""The instance type that a model's needs choose."""

from __future__ import annotations

import re

import pytest

from include.backends.sagemaker.instances import KNOWN, has_own_disk, instance
from include.core.errors import SpecError
from include.core.spec.resources import Resources

USUAL = "ml.m5.xlarge"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Resources(), "ml.anything"),
        (Resources(cpus=4, memory_gb=16), USUAL),
        (Resources(cpus=5), "ml.c5.2xlarge"),
        (Resources(memory_gb=33), "ml.r5.2xlarge"),
        (Resources(memory_gb=200), "ml.r5.8xlarge"),
        (Resources(gpus=1), "ml.g4dn.xlarge"),
        (Resources(gpus=4, memory_gb=200), "ml.p3.8xlarge"),
        (Resources(gpus=8, memory_gb=1000), "ml.p4d.24xlarge"),
        (Resources(gpus=1, accelerator="A10G"), "ml.g5.xlarge"),
        (Resources(gpus=1, accelerator="V100"), "ml.p3.2xlarge"),
        (Resources(gpus=2, accelerator="H100"), "ml.p5.48xlarge"),
        (Resources(cpus=4, nodes=1, placement="strict_pack"), USUAL),
    ],
)
def test_the_settings_type_is_taken_where_it_will_do_else_the_smallest_that_does(wanted: Resources, expected: str) -> None:
    assert instance(wanted, "ml.anything" if wanted == Resources() else USUAL) == expected


def test_what_no_type_has_is_refused_with_the_list() -> None:
    with pytest.raises(SpecError, match=r"(?s)training\.resources.*m5\.xlarge 4/16/0.*p5\.48xlarge 192/2048/8 H100"):
        instance(Resources(gpus=9), USUAL)


def test_a_kind_of_gpu_that_sagemaker_has_none_of_is_refused() -> None:
    with pytest.raises(SpecError, match="No instance type"):
        instance(Resources(gpus=1, accelerator="B200"), USUAL)


@pytest.mark.parametrize("wanted", [Resources(nodes=2), Resources(placement="strict_spread")])
def test_what_one_machine_cannot_give_is_refused_and_named(wanted: Resources) -> None:
    with pytest.raises(SpecError, match=re.escape(wanted.elsewhere)):
        instance(wanted, USUAL)


def test_types_with_disks_of_their_own_are_known_by_their_family() -> None:
    assert all(has_own_disk(name) for name in ("ml.g5.xlarge", "ml.m5d.large", "ml.p4d.24xlarge"))
    assert not any(has_own_disk(name) for name in ("ml.m5.large", "ml.p3.2xlarge"))
    assert all(each.own_disk == has_own_disk(each.name) for each in KNOWN)


def test_every_type_is_one_that_aws_knows_for_training_and_for_processing() -> None:
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    for shape in ("TrainingInstanceType", "ProcessingInstanceType"):
        assert {each.name for each in KNOWN} - set(model.shape_for(shape).enum) <= ({"ml.p4d.24xlarge", "ml.p5.48xlarge"})
