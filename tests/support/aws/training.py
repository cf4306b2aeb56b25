"""SageMaker's training jobs, as strict as SageMaker: a name once, a job that takes its time, spot capacity that is taken away."""

from __future__ import annotations

from typing import ClassVar

from tests.support.aws.container_jobs import ContainerJobs, Held, times
from tests.support.aws.part import AwsError, Body

DAY = 86_400
SHOWN = (
    "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "VpcConfig",
    "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining",
    "CheckpointConfig", "Environment", "HyperParameters", "RetryStrategy",
)  # fmt: skip


class TrainingJobs(ContainerJobs):
    operations = (
        "CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "ListTrainingJobs", "ListTags", "AddTags", "DeleteTags",
    )  # fmt: skip
    kind: ClassVar[str] = "training-job"
    group: ClassVar[str] = "/aws/sagemaker/TrainingJobs"
    label: ClassVar[str] = "TrainingJob"
    absent: ClassVar[str] = "Requested resource not found."

    def create_training_job(self, body: Body) -> Body:
        return self._create(body)

    def describe_training_job(self, body: Body) -> Body:
        return self._describe(body)

    def stop_training_job(self, body: Body) -> Body:
        return self._stop(body)

    def list_training_jobs(self, body: Body) -> Body:
        return self._list(body)

    def interrupt(self, name: str, capacity: bool = True) -> None:
        """Take a spot job's instance away. It starts again on another one at the next look, unless there is no capacity."""
        with self.lock:
            job = self.job(name)
            assert self.is_spot(job), f"{name} has an instance of its own"
            assert job.container is not None
            self._without_capacity = self._without_capacity if capacity else -1
            job.container.end()
            self._ship(job)
            job.waiting = "interrupted"
            self._turn(job, "InProgress", "Interrupted", message="Interrupted by EC2")

    def check(self, body: Body) -> None:
        condition = body.get("StoppingCondition", {})
        if body.get("EnableManagedSpotTraining"):
            if "MaxWaitTimeInSeconds" not in condition:
                raise AwsError(
                    "ValidationException", "MaxWaitTimeInSeconds must be specified if EnableManagedSpotTraining is enabled."
                )
            if condition["MaxWaitTimeInSeconds"] < condition.get("MaxRuntimeInSeconds", DAY):
                raise AwsError("ValidationException", "Invalid MaxWaitTimeInSeconds. It must be >= MaxRuntimeInSeconds")
        elif "MaxWaitTimeInSeconds" in condition:
            raise AwsError(
                "ValidationException", "MaxWaitTimeInSeconds is only supported if EnableManagedSpotTraining is enabled."
            )

    def command(self, body: Body) -> tuple[str, list[str], dict[str, str]]:
        algorithm = body["AlgorithmSpecification"]
        command = [*algorithm.get("ContainerEntrypoint", ("train",)), *algorithm.get("ContainerArguments", ())]
        return algorithm.get("TrainingImage", ""), command, body.get("Environment", {})

    def limits(self, body: Body) -> tuple[float, float]:
        condition = body.get("StoppingCondition", {})
        return condition.get("MaxRuntimeInSeconds", DAY), condition.get("MaxWaitTimeInSeconds", float("inf"))

    def is_spot(self, job: Held) -> bool:
        return bool(job.request.get("EnableManagedSpotTraining"))

    def described(self, job: Held) -> Body:
        given = {name: job.request[name] for name in SHOWN if name in job.request}
        output = given["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return {
            **given,
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "StoppingCondition": given.get("StoppingCondition", {}),
            "ModelArtifacts": {"S3ModelArtifacts": f"{output}/{job.name}/output/model.tar.gz"},
            "SecondaryStatusTransitions": job.transitions,
            **({"FailureReason": job.reason} if job.reason else {}),
            **times(
                CreationTime=job.created,
                LastModifiedTime=self.clock.now(),
                TrainingStartTime=job.began,
                TrainingEndTime=job.ended,
            ),
        }
