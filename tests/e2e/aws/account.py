"""An AWS account for the loop: one server for all of AWS, with a bucket, a table, a queue, and the logins as secrets."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import httpx

from include.core.digest import PROJECT
from include.local.ports import free_ports
from tests.support.s3_server import CREDENTIALS

BUCKET, TABLE, QUEUE = "slipstream-e2e", "slipstream-online", "slipstream-windows"
PREFIX = "slipstream/connections"  # of the secrets, as Airflow's backend asks for them
ROLE = "arn:aws:iam::123456789012:role/slipstream-jobs"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/slipstream@sha256:" + "0" * 64
BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
PATIENCE = 60.0  # seconds for the server to answer


@dataclass(frozen=True)
class AwsAccount:
    """What the loop is given of AWS."""

    address: str
    queue: str = ""

    def client(self, service: str) -> Any:
        return _client(self.address, service)

    def environment(self) -> dict[str, str]:
        """Of the platform's shell: where things are, and the one login in plain sight: AWS's own."""
        extra = {"endpoint_url": self.address, "region_name": CREDENTIALS["region_name"]}
        login, password = CREDENTIALS["aws_access_key_id"], CREDENTIALS["aws_secret_access_key"]
        secrets = {"connections_prefix": PREFIX, **extra, "aws_access_key_id": login, "aws_secret_access_key": password}
        return {
            "SLIPSTREAM_ROOT": f"s3://{BUCKET}/root",
            "SLIPSTREAM_ONLINE_URL": f"dynamodb://{TABLE}?create=yes",
            "SLIPSTREAM_JOB_BACKEND": "sagemaker",
            "SLIPSTREAM_REGISTRY": "folder",
            "SLIPSTREAM_SAGEMAKER_IMAGE": IMAGE,
            "SLIPSTREAM_SAGEMAKER_ROLE": ROLE,
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra}),
            "AIRFLOW__SECRETS__BACKEND": BACKEND,
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(secrets),
        }

    def keep(self, connections: Mapping[str, str]) -> None:
        """Each connection's URI as a secret, by its id; one that is there already stays."""
        secrets = self.client("secretsmanager")
        for variable, uri in connections.items():
            with suppress(secrets.exceptions.ResourceExistsException):
                secrets.create_secret(Name=f"{PREFIX}/{variable.removeprefix('AIRFLOW_CONN_').lower()}", SecretString=uri)

    def training_jobs(self) -> dict[str, str]:
        """Every training job of the account with its status."""
        pages = self.client("sagemaker").get_paginator("list_training_jobs").paginate()
        return {job["TrainingJobName"]: job["TrainingJobStatus"] for page in pages for job in page["TrainingJobSummaries"]}

    def items(self) -> int:
        """Rows in the online store."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE, Select="COUNT")
        return sum(page["Count"] for page in pages)

    def messages(self) -> int:
        """Of the queue, those under way included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))


@cache
def _client(address: str, service: str) -> Any:
    return boto3.client(service, endpoint_url=address, **CREDENTIALS)


@contextmanager
def account(folder: Path) -> Iterator[AwsAccount]:
    """An account whose server writes its log into a folder."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.support.aws.server", "127.0.0.1", str(port)]
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process)
        yield _furnished(AwsAccount(address))
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(address, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"AWS's stand-in did not start: exit status {process.poll()}")


def _furnished(empty: AwsAccount) -> AwsAccount:
    empty.client("s3").create_bucket(Bucket=BUCKET)
    return AwsAccount(empty.address, empty.client("sqs").create_queue(QueueName=QUEUE)["QueueUrl"])
