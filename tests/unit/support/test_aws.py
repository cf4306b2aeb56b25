"""The fake of AWS: as strict as AWS where moto is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws.server import Aws, Remote, aws_server

pytestmark = pytest.mark.lives
JOB: dict[str, Any] = {
    "RoleArn": "arn:aws:iam::123456789012:role/train",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


def job(name: str, command: str, **more: Any) -> dict[str, Any]:
    entry = {"ContainerEntrypoint": ["/bin/sh", "-c"], "ContainerArguments": [command]}
    algorithm = {"TrainingImage": "image", "TrainingInputMode": "File", **entry}
    return {"TrainingJobName": name, "AlgorithmSpecification": algorithm, **JOB, **more}


def ended(aws: Aws, name: str) -> Any:
    run = aws.training.job(name).container
    assert run is not None
    run.process.wait(20)
    return aws.client("sagemaker").describe_training_job(TrainingJobName=name)


def waiting(go: Path, then: str = "true") -> str:
    """A command that ends when that file is there."""
    return f"while [ ! -e {go} ]; do sleep 0.02; done; {then}"


def status(aws: Aws, name: str) -> tuple[str, str]:
    seen = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    return seen["TrainingJobStatus"], seen["SecondaryStatus"]


def test_a_job_is_in_progress_until_its_process_is_over_and_its_log_is_in_cloudwatch(aws: Aws, tmp_path: Path) -> None:
    client, logs = aws.client("sagemaker"), aws.client("logs")
    command = waiting(tmp_path / "go", "echo seen $TRAINING_JOB_NAME")
    client.create_training_job(**job("one", command, Tags=[{"Key": "a", "Value": "b"}]))
    assert status(aws, "one") == ("InProgress", "Training")
    (tmp_path / "go").touch()
    seen = ended(aws, "one")
    assert (seen["TrainingJobStatus"], seen["SecondaryStatus"]) == ("Completed", "Completed")
    assert client.list_tags(ResourceArn=seen["TrainingJobArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    stream = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="one/")["logStreams"][0]
    events = logs.get_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"])["events"]
    assert events[-1]["message"] == "seen one"


def test_a_name_is_taken_for_ever_and_a_request_keeps_the_limits_of_aws(aws: Aws) -> None:
    client = aws.client("sagemaker")
    client.create_training_job(**job("taken", "true"))
    with pytest.raises(client.exceptions.ResourceInUse, match="already exists"):
        client.create_training_job(**job("taken", "true"))
    for wrong in ({"Environment": {"A": "x" * 513}}, {"Tags": [{"Key": "a!", "Value": "b"}]}, {"TrainingJobName": "a_b"}):
        with pytest.raises(ClientError, match="ValidationException"):
            client.create_training_job(**{**job("fine", "true"), **wrong})
    with pytest.raises(ClientError, match="MaxWaitTimeInSeconds must be specified"):
        client.create_training_job(**job("fine", "true", EnableManagedSpotTraining=True))
    assert aws.training.started("taken") == 1


def test_a_job_that_fails_says_what_it_left_as_its_failure(aws: Aws) -> None:
    aws.client("sagemaker").create_training_job(
        **job("bad", 'echo too hot >"$SLIPSTREAM_SAGEMAKER_FOLDER/output/failure"; exit 3')
    )
    assert ended(aws, "bad")["FailureReason"] == "AlgorithmError: too hot\n, exit code: 3"


def test_a_spot_job_is_interrupted_and_starts_again_from_what_it_had_kept(aws: Aws, tmp_path: Path) -> None:
    kept = '"$SLIPSTREAM_SAGEMAKER_FOLDER/checkpoints/kept"'
    command = f"[ -e {kept} ] && exit 0; echo 1 >{kept}; " + waiting(tmp_path / "go")
    spot = {"EnableManagedSpotTraining": True, "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}}
    aws.client("sagemaker").create_training_job(**job("spot", command, **spot))
    first = aws.training.job("spot").container
    assert first is not None
    while not (first.checkpoints / "kept").exists():
        assert first.status is None
    aws.training.interrupt("spot", capacity=False)
    assert status(aws, "spot") == ("InProgress", "Interrupted")
    aws.training.without_capacity(0)
    status(aws, "spot")
    assert ended(aws, "spot")["TrainingJobStatus"] == "Completed"
    assert aws.training.started("spot") == 2


def test_a_job_without_capacity_fails_and_one_that_takes_too_long_is_stopped(aws: Aws, tmp_path: Path) -> None:
    client = aws.client("sagemaker")
    aws.training.without_capacity(1)
    client.create_training_job(**job("nowhere", "true"))
    assert "CapacityError" in client.describe_training_job(TrainingJobName="nowhere")["FailureReason"]
    client.create_training_job(**job("long", waiting(tmp_path / "go")))
    aws.clock.advance(61)
    assert status(aws, "long") == ("Stopping", "Stopping")
    assert status(aws, "long") == ("Stopped", "MaxRuntimeExceeded")


def test_calls_are_refused_so_often_or_so_long_as_is_asked(aws: Aws) -> None:
    client = aws.client("sagemaker")
    aws.faults.throttle("DescribeProcessingJob", times=1)  # boto3 asks again
    with pytest.raises(ClientError, match="Could not find requested job"):
        client.describe_processing_job(ProcessingJobName="nobody")
    Remote(aws.address).faults("throttle", operation="StopTrainingJob", seconds=30)
    aws.clock.advance(31)
    with pytest.raises(ClientError, match="not found"):
        client.stop_training_job(TrainingJobName="nobody")
    assert aws.faults.refused == {"DescribeProcessingJob": 1}
