"""What the settings say of jobs on SageMaker, and how a wrong one is refused: by its name."""

from __future__ import annotations

import pytest

from include.backends.sagemaker.place import Place
from include.core.errors import SpecError
from include.core.settings import Settings
from tests.support.aws.sagemaker import IMAGE, ROLE

GOOD = {"ROOT": "s3://bucket/store", "SAGEMAKER_IMAGE": IMAGE, "SAGEMAKER_ROLE": ROLE}


def place(**more: str) -> Place:
    return Place.of(Settings.from_env({f"SLIPSTREAM_{name}": value for name, value in {**GOOD, **more}.items()}))


def test_what_is_not_said_has_its_default() -> None:
    found = place()
    found.require()
    assert (found.instance, found.max_seconds, found.max_wait, found.spot, found.project) == (
        "ml.m5.xlarge", 86_400, 172_800, False, "/opt/project",
    )  # fmt: skip
    assert found.models == "include.models"


@pytest.mark.parametrize(
    ("named", "value"),
    [
        ("ROOT", "/srv/slipstream"),
        ("SAGEMAKER_IMAGE", ""),
        ("SAGEMAKER_IMAGE", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/slipstream:latest"),
        ("SAGEMAKER_ROLE", "slipstream-jobs"),
        ("SAGEMAKER_SUBNETS", "subnet-1"),
        ("SAGEMAKER_MAX_SECONDS", "a day"),
        ("SAGEMAKER_VOLUME", "0"),
        ("SAGEMAKER_TAGS", "aws:team=x"),
        ("SAGEMAKER_TAGS", "team"),
        ("SAGEMAKER_PREFIX", "no_name"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name_before_anything_is_asked_of_aws(named: str, value: str) -> None:
    with pytest.raises(SpecError, match=f"(?s)SLIPSTREAM_{named}.*Safe: no job was started"):
        place(**{named: value}).require()


def test_a_spot_job_may_wait_at_least_as_long_as_it_may_run() -> None:
    with pytest.raises(SpecError, match="MAX_WAIT_SECONDS"):
        place(SAGEMAKER_SPOT="true", SAGEMAKER_MAX_WAIT_SECONDS="10").require()


def test_the_root_of_this_machine_is_refused_only_when_a_job_is_submitted() -> None:
    assert place(ROOT="/srv/x").root == "/srv/x"  # whoever looks at jobs needs none
