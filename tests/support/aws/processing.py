"""SageMaker's processing jobs, as strict as SageMaker. A job of that kind has no secondary status and no spot capacity."""

from __future__ import annotations

from typing import ClassVar

from tests.support.aws.container_jobs import ContainerJobs, Held, times
from tests.support.aws.part import Body

SHOWN = (
    "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "StoppingCondition", "AppSpecification", "Environment",
    "NetworkConfig", "RoleArn",
)  # fmt: skip
DAY = 86_400


class ProcessingJobs(ContainerJobs):
    operations = (
        "CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob", "ListProcessingJobs", "ListTags", "AddTags",
        "DeleteTags",
    )  # fmt: skip
    kind: ClassVar[str] = "processing-job"
    group: ClassVar[str] = "/aws/sagemaker/ProcessingJobs"
    label: ClassVar[str] = "ProcessingJob"
    absent: ClassVar[str] = "Could not find requested job with name: {name}"
    variable: ClassVar[str] = "PROCESSING_JOB_NAME"

    def create_processing_job(self, body: Body) -> Body:
        return self._create(body)

    def describe_processing_job(self, body: Body) -> Body:
        return self._describe(body)

    def stop_processing_job(self, body: Body) -> Body:
        return self._stop(body)

    def list_processing_jobs(self, body: Body) -> Body:
        return self._list(body)

    def command(self, body: Body) -> tuple[str, list[str], dict[str, str]]:
        app = body["AppSpecification"]
        return (
            app["ImageUri"],
            [*app.get("ContainerEntrypoint", ()), *app.get("ContainerArguments", ())],
            body.get("Environment", {}),
        )

    def limits(self, body: Body) -> tuple[float, float]:
        return body.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY), float("inf")

    def described(self, job: Held) -> Body:
        failed = {"FailureReason": job.reason, "ExitMessage": job.container.failure if job.container else ""}
        return {
            **{name: job.request[name] for name in SHOWN if name in job.request},
            "ProcessingJobName": job.name,
            "ProcessingJobArn": job.arn,
            "ProcessingJobStatus": job.status,
            **(failed if job.reason else {}),
            **times(
                CreationTime=job.created,
                LastModifiedTime=self.clock.now(),
                ProcessingStartTime=job.began,
                ProcessingEndTime=job.ended,
            ),
        }
