"""infra/aws deployed to moto: what its stacks say becomes settings, and with those the storage, the queue and the doctor work."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from include.backends.aws.access import SessionAccess
from include.backends.aws.stacks import outputs, settings_of
from include.cli.checkup.aws import aws_checks
from include.cli.checkup.finding import Finding, Level
from include.cli.context import CliContext
from include.cli.main import main
from include.core.environment import VARIABLES
from include.core.errors import SpecError
from include.core.settings import Settings
from tests.support.aws_stacks import LOGIN, NAME, REGION, deploy, put_what_moto_leaves_out, template
from tests.support.s3_server import moto_server

pytestmark = pytest.mark.lives

# What moto (5.2.5) has no CloudFormation of: cfn-lint alone has looked at these.
UNKNOWN_TO_MOTO = {
    "AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress", "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::SubnetGroup", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SecretsManager::Secret",
}  # fmt: skip
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/{NAME}@sha256:{'0' * 64}"
NAMELESS = {"AWS::RDS::DBSubnetGroup"}  # made, and listed by moto without an id


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture(scope="module")
def made(address: str) -> dict[str, set[str]]:
    return deploy(address)


@pytest.fixture(scope="module")
def aws(address: str, made: dict[str, set[str]]) -> SessionAccess:
    return SessionAccess(boto3.Session(**LOGIN), lambda service: address)


@pytest.fixture(scope="module")
def environ(address: str, aws: SessionAccess) -> dict[str, str]:
    """The environment of a person who has put into it what the doctor printed, and nothing else but a login."""
    extra = {"region_name": REGION, "endpoint_url": address}
    login = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
    return {**settings_of(outputs(aws, NAME)), "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(login)}


@pytest.fixture
def context(environ: dict[str, str], aws: SessionAccess, monkeypatch: pytest.MonkeyPatch) -> CliContext:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLIPSTREAM_HOME", raising=False)
    return with_clients_of(aws, CliContext(Settings.from_env(dict(os.environ))))


def with_clients_of(aws: SessionAccess, context: CliContext) -> CliContext:
    """The same as its own, which would be made anew for each test: half a second of processor time."""
    context.__dict__["aws"] = aws
    return context


def test_moto_makes_all_but_what_it_does_not_know(made: dict[str, set[str]]) -> None:
    skipped = {
        each["Type"]
        for part, resources in made.items()
        for name, each in template(part)["Resources"].items()
        if name not in resources and "Condition" not in each
    }
    assert skipped - NAMELESS == UNKNOWN_TO_MOTO


def test_every_output_that_is_a_setting_is_one_that_is_read(environ: dict[str, str]) -> None:
    known = {each.name for each in VARIABLES}
    assert set(environ) - {"AIRFLOW_CONN_AWS_DEFAULT"} - known == set()
    assert {"SLIPSTREAM_ROOT", "SLIPSTREAM_ONLINE_URL", "AIRFLOW__SECRETS__BACKEND", "AWS_DEFAULT_REGION"} <= set(environ)


def test_the_storage_root_of_the_stack_is_written_and_read(context: CliContext) -> None:
    context.storage.write("probe/a", b"1")
    assert context.storage.read("probe/a") == b"1"
    assert context.storage.create("probe/b", b"2")
    assert not context.storage.create("probe/b", b"3")
    context.storage.delete("probe")


def looked(context: CliContext) -> dict[str, list[Finding]]:
    return {name: list(check()) for name, check in aws_checks(context).items()}


def test_the_doctor_says_what_a_bucket_and_a_table_lack(context: CliContext) -> None:
    """moto's CloudFormation leaves it out, so here is what somebody else's stack may have made."""
    found = looked(context)
    (bucket, writes), (table,) = found["aws bucket"], found["aws online store"]
    assert bucket.level is table.level is Level.WARNING
    assert "keeps no earlier versions; public access is not blocked" in bucket.words
    assert "time to live by `expires`" in table.words
    assert all("infra/aws/data.yaml" in each.next for each in (bucket, table))
    assert writes.level is Level.OK


def test_a_message_that_lands_is_received_and_one_that_nobody_stores_goes_aside(aws: SessionAccess) -> None:
    sqs, said = aws.client("sqs"), outputs(aws, NAME)
    url = sqs.get_queue_url(QueueName=said["LandingQueueUrl"].rpartition("/")[2])["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody='{"as_of": "2013-05-27"}')
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert json.loads(message["Body"]) == {"as_of": "2013-05-27"}
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"])
    assert policy["deadLetterTargetArn"].endswith(":slipstream-staging-landing-dead")
    assert int(policy["maxReceiveCount"]) == 5


def test_the_doctor_finds_the_stacks_things_as_the_templates_say(context: CliContext) -> None:
    put_what_moto_leaves_out(context.aws)
    found = looked(context)
    assert {name: [each.level for each in findings] for name, findings in found.items()} == {
        "aws login": [Level.OK],
        "aws bucket": [Level.OK, Level.OK],
        "aws online store": [Level.OK],
        "aws queue": [Level.OK],
        "aws secrets": [Level.OK],
        "aws jobs": [Level.PROBLEM, Level.OK],  # the image is pushed after the stacks are made
    }
    assert "SLIPSTREAM_SAGEMAKER_IMAGE" in found["aws jobs"][0].words
    assert "can be put back" not in found["aws online store"][0].words  # staging says Backups=false


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "value", "about", "words"),
    [
        ("SLIPSTREAM_S3_BUCKET_OWNER", "", "aws bucket", "SLIPSTREAM_S3_BUCKET_OWNER is not set"),
        ("SLIPSTREAM_ROOT", "s3://nobodys-bucket/x", "aws bucket", "nobodys-bucket"),
        ("SLIPSTREAM_ONLINE_URL", "dynamodb://no-table", "aws online store", "no-table"),
        ("SLIPSTREAM_SAGEMAKER_IMAGE", "slipstream:latest", "aws jobs", "by its digest"),
        ("SLIPSTREAM_SAGEMAKER_IMAGE", IMAGE, "aws jobs", "not there"),
        ("SLIPSTREAM_SAGEMAKER_ROLE", "arn:aws:iam::123456789012:role/none", "aws jobs", "role/none"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "[", "aws secrets", "no JSON"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    environ: dict[str, str], aws: SessionAccess, name: str, value: str, about: str, words: str
) -> None:
    context = with_clients_of(aws, CliContext(Settings.from_env({**environ, name: value})))
    wrong = [each for each in aws_checks(context)[about]() if each.level is not Level.OK]
    assert any(words in f"{each.about}: {each.words}" and each.next for each in wrong)
    assert "testing" not in str(wrong)


def test_a_stack_that_is_not_there_is_named(aws: SessionAccess) -> None:
    with pytest.raises(SpecError, match="no stack of slipstream-nowhere"):
        outputs(aws, "slipstream-nowhere")


def test_the_command_prints_an_environment_file(
    aws: SessionAccess,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.setattr("include.services.connections.open_aws", lambda settings: aws)  # its clients are made already
    assert main(["doctor", "--stack", NAME]) == 0
    out = capsys.readouterr().out
    assert f"SLIPSTREAM_ROOT={environ['SLIPSTREAM_ROOT']}\n" in out
    assert "# RepositoryUri: " in out
    assert "testing" not in out
    assert main(["doctor", "--stack", NAME, "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {each["name"]: each["value"] for each in said["settings"]}["SLIPSTREAM_ROOT"] == environ["SLIPSTREAM_ROOT"]
    assert "RepositoryUri" in {each["about"] for each in said["findings"]}
