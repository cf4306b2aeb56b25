"""Jobs on SageMaker where it is no friend: taken names, throttling, no capacity, spot, limits, a person who stops one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.backends.sagemaker import state
from include.core.errors import ConflictError, JobFailedError, PermanentError, SpecError, UnreachableError
from include.core.memory_limit import of_log
from include.core.ports import Job, JobBackend, JobStatus
from include.core.spec.resources import Resources
from tests.support.aws.container import Image
from tests.support.aws.sagemaker import BUCKET, IMAGE, jobs_of
from tests.support.aws.sagemaker import aws as aws
from tests.support.aws.server import Aws

pytestmark = pytest.mark.lives
SPOT = {"SAGEMAKER_SPOT": "true", "SAGEMAKER_MAX_SECONDS": "60"}
RAN = Job(
    "slip-train-0-g0-a1", "tests.contract.job_body", ("print('ran')",), labels={"model": "shop", "step": "train"}, code="c0de"
)


@pytest.fixture(autouse=True)
def anew(aws: Aws) -> None:
    for part in (aws.training, aws.processing):
        part.forget()
        part.image, part.images = Image(), {}
        part.without_capacity(0)


@pytest.fixture
def jobs(aws: Aws, tmp_path: Path) -> JobBackend:
    return jobs_of(aws, tmp_path)


def ended(aws: Aws, jobs: JobBackend, name: str) -> JobStatus:
    run = (aws.processing if "score" in name else aws.training).job(name).container
    if run is not None:
        run.process.wait(30)
    return jobs.status(name)


def idle(aws: Aws, tmp_path: Path) -> None:
    """From now on containers wait until they are ended, whatever their entry point: no Python has to start."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").write_text("#!/bin/sh\nexec sleep 300\n")
    (folder / "python").chmod(0o755)
    aws.training.image = Image(environ=(("PATH", f"{folder}:/usr/bin:/bin"),))


def request(aws: Aws, name: str = RAN.name) -> Mapping[str, Any]:
    return aws.training.job(name).request


def test_of_submitters_at_once_one_starts_the_job_and_all_have_it(aws: Aws, tmp_path: Path) -> None:
    idle(aws, tmp_path)
    several = [jobs_of(aws, tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(len(several)) as threads:
        list(threads.map(lambda each: each.submit(RAN), several))  # raises what any of them did
    assert (aws.training.names(), aws.training.started()) == ([RAN.name], 1)
    assert {each.status(RAN.name) for each in several} == {JobStatus.RUNNING}


def test_a_name_taken_by_somebody_else_is_refused_and_their_job_is_not_touched(
    aws: Aws, jobs: JobBackend, tmp_path: Path
) -> None:
    idle(aws, tmp_path)
    other = jobs_of(aws, tmp_path, ROOT=f"s3://{BUCKET}/another")
    other.submit(RAN)
    for act in (lambda: jobs.submit(RAN), lambda: jobs.stop(RAN.name)):
        with pytest.raises(ConflictError, match=r"(?s)another environment's.*SLIPSTREAM_SAGEMAKER_PREFIX"):
            act()
    assert other.status(RAN.name) is JobStatus.RUNNING
    assert (jobs.under_way(), other.under_way()) == ([], [RAN.name])
    beside = jobs_of(aws, tmp_path, SAGEMAKER_PREFIX="staging-")
    beside.submit(RAN)
    assert aws.training.names() == [RAN.name, f"staging-{RAN.name}"]
    assert beside.under_way() == [RAN.name]


def test_a_taken_name_that_nobody_is_shown_of_yet_is_asked_for_again(
    aws: Aws, jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Describe may not know what Create knows."""
    idle(aws, tmp_path)
    jobs.submit(RAN)
    monkeypatch.setattr(jobs, "_describe", lambda kind, name: None)
    with pytest.raises(UnreachableError, match="taken"):
        jobs.submit(RAN)
    assert aws.training.started() == 1


def test_throttling_is_our_error_that_a_retry_helps_with_and_starts_nothing_twice(
    aws: Aws, jobs: JobBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    idle(aws, tmp_path)
    aws.faults.throttle("CreateTrainingJob", seconds=60)
    with pytest.raises(UnreachableError, match="takes no more requests now"):
        jobs.submit(RAN)
    aws.faults.throttle("DescribeTrainingJob", seconds=60)
    with pytest.raises(UnreachableError):
        jobs.status(RAN.name)
    aws.clock.advance(61)
    assert jobs.status(RAN.name) is JobStatus.UNKNOWN
    jobs.submit(RAN)
    assert aws.training.started() == 1


def test_no_quota_is_for_a_person_and_one_that_is_used_up_is_tried_again(aws: Aws, jobs: JobBackend) -> None:
    limit = (
        "The account-level service limit 'ml.m5.xlarge for training job usage' is {} Instances, with current utilization of {}"
    )
    for most, kind in ((0, SpecError), (2, JobFailedError)):
        aws.faults.refuse("CreateTrainingJob", "ResourceLimitExceeded", limit.format(most, most), times=1)
        with pytest.raises(kind, match=r"(?s)quota.*Service Quotas"):
            jobs.submit(RAN)
    assert aws.training.names() == []


def test_a_role_that_may_not_is_named_with_its_action(aws: Aws, jobs: JobBackend) -> None:
    words = "User: arn:x is not authorized to perform: iam:PassRole on resource: arn:y"
    aws.faults.refuse("CreateTrainingJob", "AccessDeniedException", words, times=1)
    with pytest.raises(PermanentError, match="iam:PassRole"):
        jobs.submit(RAN)


def test_the_request_holds_what_the_settings_and_the_spec_ask_for_and_no_secret(aws: Aws, tmp_path: Path) -> None:
    idle(aws, tmp_path)
    more = {
        "SAGEMAKER_SUBNETS": "subnet-1, subnet-2", "SAGEMAKER_SECURITY_GROUPS": "sg-1", "SAGEMAKER_KMS_KEY": "alias/slipstream",
        "SAGEMAKER_TAGS": "team=forecasts", "SAGEMAKER_MLFLOW_SECRET": "slipstream/mlflow", "CONTROL_URL": "postgresql://u:hush@h/d",
        "MLFLOW_URL": "https://me:hush@mlflow", **SPOT,
    }  # fmt: skip
    jobs_of(aws, tmp_path, **more).submit(replace(RAN, resources=Resources(gpus=1, memory_gb=20)))
    asked = request(aws)
    assert asked["ResourceConfig"] == {"InstanceType": "ml.g4dn.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
    assert asked["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert asked["OutputDataConfig"] == {"S3OutputPath": f"s3://{BUCKET}/store/sagemaker/output", "KmsKeyId": "alias/slipstream"}
    assert asked["StoppingCondition"] == {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}
    assert asked["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert aws.training.job(RAN.name).tags == {
        "team": "forecasts", "slipstream:job": RAN.name, "slipstream:root": f"s3://{BUCKET}/store", "slipstream:code": "c0de",
        "slipstream:model": "shop", "slipstream:step": "train",
    }  # fmt: skip
    assert asked["Environment"]["SLIPSTREAM_SAGEMAKER_MLFLOW_SECRET"] == "slipstream/mlflow"
    assert "hush" not in json.dumps(asked)
    assert str(tmp_path) not in json.dumps(asked)


def test_a_key_goes_to_the_disk_where_the_instance_has_none_of_its_own(aws: Aws, tmp_path: Path) -> None:
    idle(aws, tmp_path)
    jobs_of(aws, tmp_path, SAGEMAKER_KMS_KEY="alias/slipstream").submit(RAN)
    assert request(aws)["ResourceConfig"]["VolumeKmsKeyId"] == "alias/slipstream"


def test_without_capacity_the_error_says_so_and_what_to_do(aws: Aws, jobs: JobBackend) -> None:
    aws.training.without_capacity(1)
    jobs.submit(RAN)
    assert jobs.status(RAN.name) is JobStatus.FAILED
    assert "CapacityError" in jobs.logs(RAN.name)
    assert "SLIPSTREAM_SAGEMAKER_INSTANCE" in jobs.logs(RAN.name)


def test_a_spot_job_waits_for_capacity_is_interrupted_and_goes_on_under_its_name(aws: Aws, tmp_path: Path) -> None:
    idle(aws, tmp_path)
    jobs = jobs_of(aws, tmp_path, **SPOT)
    aws.training.without_capacity(-1)
    jobs.submit(RAN)
    assert jobs.status(RAN.name) is JobStatus.PENDING
    assert "Insufficient capacity" in jobs.logs(RAN.name)
    aws.training.without_capacity(0)
    jobs.status(RAN.name)
    aws.training.interrupt(RAN.name)
    assert jobs.status(RAN.name) is JobStatus.RUNNING
    assert (aws.training.names(), aws.training.started()) == ([RAN.name], 2)
    aws.clock.advance(121)
    jobs.status(RAN.name)
    assert jobs.status(RAN.name) is JobStatus.FAILED
    assert "SLIPSTREAM_SAGEMAKER_MAX_WAIT_SECONDS" in jobs.logs(RAN.name)


def test_a_limit_is_a_failure_and_a_person_who_stops_it_is_none(aws: Aws, tmp_path: Path) -> None:
    idle(aws, tmp_path)
    jobs = jobs_of(aws, tmp_path, SAGEMAKER_MAX_SECONDS="60")
    by_hand = replace(RAN, name="slip-train-1-g0-a1")
    jobs.submit(RAN)
    jobs.submit(by_hand)
    jobs.stop(by_hand.name)
    jobs.status(by_hand.name)
    assert jobs.status(by_hand.name) is JobStatus.STOPPED
    assert "by a person" in jobs.logs(by_hand.name)
    aws.clock.advance(61)
    jobs.status(RAN.name)
    assert jobs.status(RAN.name) is JobStatus.FAILED
    assert "SLIPSTREAM_SAGEMAKER_MAX_SECONDS" in jobs.logs(RAN.name)


def test_a_time_limit_of_the_spec_is_sagemakers_a_little_later_and_never_beyond_the_settings(aws: Aws, tmp_path: Path) -> None:
    idle(aws, tmp_path)
    jobs = jobs_of(aws, tmp_path, SAGEMAKER_MAX_SECONDS="4000")
    for name, seconds, most in (("slip-train-2-g0-a1", 600.5, 901), ("slip-train-3-g0-a1", 9000.0, 4000), (RAN.name, 0.0, 4000)):
        jobs.submit(replace(RAN, name=name, seconds=seconds))
        assert request(aws, name)["StoppingCondition"]["MaxRuntimeInSeconds"] == most


@pytest.mark.parametrize("wanted", [Resources(nodes=2), Resources(gpus=1, accelerator="B200")])
def test_machines_that_sagemaker_has_none_of_start_no_job(aws: Aws, jobs: JobBackend, wanted: Resources) -> None:
    with pytest.raises(SpecError, match=r"training\.resources"):
        jobs.submit(replace(RAN, resources=wanted))
    assert jobs.status(RAN.name) is JobStatus.UNKNOWN


@pytest.mark.parametrize(
    ("reason", "memory"),
    [
        ("AlgorithmError: , exit code: 137", True),
        ("ClientError: OutOfMemory: Please use a larger instance", True),
        ("AlgorithmError: ExecuteUserScriptError, exit code: 1", False),
    ],
)
def test_a_container_that_was_killed_for_want_of_memory_is_told_from_others(reason: str, memory: bool) -> None:
    found = {"TrainingJobStatus": "Failed", "TrainingJobArn": "arn", "FailureReason": reason}
    assert (of_log("j", state.training(found).words) is not None) is memory


def test_a_batch_is_scored_by_a_processing_job(aws: Aws, jobs: JobBackend) -> None:
    score = replace(RAN, name="slip-score-0-g0-a1", arguments=("raise SystemExit('no such day')",))
    assert jobs.status(score.name) is JobStatus.UNKNOWN
    jobs.submit(score)
    jobs.submit(score)
    assert (aws.processing.names(), aws.training.names()) == ([score.name], [])
    assert ended(aws, jobs, score.name) is JobStatus.FAILED
    assert "no such day" in jobs.logs(score.name)
    assert "#/processing-jobs/slip-score" in jobs.url(score.name)
    assert aws.processing.started() == 1


def test_an_image_with_other_code_runs_nothing_and_says_so(aws: Aws, jobs: JobBackend, tmp_path: Path) -> None:
    folder = tmp_path / "image" / "include" / "backends" / "sagemaker"
    folder.mkdir(parents=True)
    folder.joinpath("arrive.py").write_bytes(Path("include/backends/sagemaker/arrive.py").read_bytes())
    aws.training.images[IMAGE] = Image(tmp_path / "image")
    jobs.submit(RAN)
    assert ended(aws, jobs, RAN.name) is JobStatus.FAILED
    said = jobs.logs(RAN.name)
    assert "not the code that the job was submitted with" in said
    assert "SLIPSTREAM_SAGEMAKER_IMAGE" in said
    assert "ran" not in said.splitlines()


def test_a_log_that_may_not_be_read_hides_no_reason(aws: Aws, jobs: JobBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*arguments: object) -> None:
        raise PermanentError("AWS lets nobody with this login do logs:GetLogEvents.")

    monkeypatch.setattr("include.backends.sagemaker.jobs.last_lines", denied)
    aws.training.without_capacity(1)
    jobs.submit(RAN)
    assert "logs:GetLogEvents" in jobs.logs(RAN.name)
    assert "CapacityError" in jobs.logs(RAN.name)
