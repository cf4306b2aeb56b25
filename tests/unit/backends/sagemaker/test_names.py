"""A job's name on SageMaker: within AWS's limits, and always the same."""

from __future__ import annotations

import re

import pytest

from include.backends.sagemaker.names import checked_prefix, job_name
from include.core.errors import SpecError
from include.core.ledger import Attempt

AWS = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")  # botocore's model of TrainingJobName


@pytest.mark.parametrize("prefix", ["", "staging-", "a" * 16 + "-"])
def test_an_attempt_keeps_its_own_name(prefix: str) -> None:
    attempt = Attempt(f"train/{'0123456789abcdef' * 2}", 12, 345)
    assert job_name(attempt.job, prefix) == f"{prefix}{attempt.job}"
    assert AWS.fullmatch(job_name(attempt.job, prefix))


def test_a_name_that_is_too_long_or_has_a_foreign_character_keeps_a_digest_of_the_whole() -> None:
    names = ["slip-" + "x" * 80, "slip-" + "x" * 81, "slip_a", "slip.a", "slip-a-", "ä" * 70]
    made = [job_name(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(AWS.fullmatch(name) for name in made), made
    assert made == [job_name(name) for name in names]


@pytest.mark.parametrize("prefix", ["-a", "a_", "x" * 20, "a--"])
def test_a_prefix_that_makes_no_name_is_refused(prefix: str) -> None:
    with pytest.raises(SpecError, match="SLIPSTREAM_SAGEMAKER_PREFIX"):
        checked_prefix(prefix)
