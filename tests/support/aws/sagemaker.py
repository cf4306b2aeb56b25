"""Settings with which jobs run on the fake's SageMaker, and the job backend of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from include.core.ports import AwsAccess, JobBackend, open_aws, open_jobs
from include.core.settings import Settings
from include.services.services import Services
from tests.support.aws.server import Aws, aws_server

BUCKET = "jobs"
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/slipstream@sha256:{'0' * 64}"
ROLE = "arn:aws:iam::123456789012:role/slipstream-jobs"


def environ(aws: Aws, home: Path, **more: str) -> dict[str, str]:
    """What a process's environment holds. `more`: by the names of SLIPSTREAM's variables without that."""
    given = {
        "HOME": str(home),
        "ROOT": f"s3://{BUCKET}/store",
        "JOB_BACKEND": "sagemaker",
        "REGISTRY": "folder",
        "SAGEMAKER_IMAGE": IMAGE,
        "SAGEMAKER_ROLE": ROLE,
        **more,
    }
    return {**aws.environ(), **{f"SLIPSTREAM_{name}": value for name, value in given.items()}}


def services(aws: Aws, home: Path, **more: str) -> Services:
    return Services(Settings.from_env(environ(aws, home, **more)))


@lru_cache(maxsize=1)
def _access(address: str) -> AwsAccess:
    """One for all of a module's tests: boto3 reads a model of megabytes for each client that it makes."""
    extra = {"endpoint_url": address, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
    given = {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}
    return open_aws(Settings.from_env(given))


def jobs_of(aws: Aws, home: Path, **more: str) -> JobBackend:
    """The job backend of such settings, on a way to AWS that is shared."""
    return open_jobs(Settings.from_env(environ(aws, home, **more)), aws=lambda: _access(aws.address))


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture(scope="module")
def on_sagemaker(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> JobBackend:
    return services(aws, tmp_path_factory.mktemp("home")).jobs()
