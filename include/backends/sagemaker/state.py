"""What SageMaker says of a job, as our status and in words: why it failed, why it was stopped, what it waits for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.core.errors import PermanentError
from include.core.memory_limit import KILLED
from include.core.ports import JobStatus

WAITING = frozenset({
    "Starting", "Pending", "LaunchingMLInstances", "PreparingTrainingStack", "Downloading", "DownloadingTrainingImage",
})  # fmt: skip
LIMITS = {
    "MaxRuntimeExceeded": "SageMaker stopped it: it ran longer than SLIPSTREAM_SAGEMAKER_MAX_SECONDS, or, with "
    "nobody waiting, than the spec's training.time_limit. The next attempt goes on "
    "from its checkpoints; raise the limit if it should not need one.",
    "MaxWaitTimeExceeded": "SageMaker stopped it: spot capacity did not come within SLIPSTREAM_SAGEMAKER_MAX_WAIT_SECONDS. Raise "
    "it, choose another SLIPSTREAM_SAGEMAKER_INSTANCE, or switch SLIPSTREAM_SAGEMAKER_SPOT off.",
}
NO_CAPACITY = (
    "AWS has none of these instances now: the retry asks again. Else choose another SLIPSTREAM_SAGEMAKER_INSTANCE, or more "
    "SLIPSTREAM_SAGEMAKER_SUBNETS."
)
BY_A_PERSON = "It was stopped by a person, or by their program (Stop was called)."


_KILLED = re.compile(r".*(exit code: 137\b|OutOfMemory)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Seen:
    """One job as Describe shows it."""

    arn: str
    status: JobStatus
    words: str = ""
    """Why it is over, in a line for the end of its log; empty where there is nothing to say."""


def training(found: Mapping[str, Any]) -> Seen:
    """Of DescribeTrainingJob. Raises PermanentError for a status that is not known here."""
    status, secondary = found["TrainingJobStatus"], found.get("SecondaryStatus", "")
    arn, reason = found["TrainingJobArn"], found.get("FailureReason", "")
    if status == "Stopped":
        if secondary in LIMITS:
            return Seen(arn, JobStatus.FAILED, LIMITS[secondary])
        return Seen(arn, JobStatus.STOPPED, BY_A_PERSON)
    if status == "InProgress":
        message = (found.get("SecondaryStatusTransitions") or [{}])[-1].get("StatusMessage", "")
        waits = f"SageMaker says: {secondary}: {message}" if secondary in WAITING or secondary == "Interrupted" else ""
        return Seen(arn, JobStatus.PENDING if secondary in WAITING else JobStatus.RUNNING, waits)
    return _other(arn, status, reason)


def processing(found: Mapping[str, Any]) -> Seen:
    """Of DescribeProcessingJob, which has no secondary status: a job that ran its full time was stopped for it."""
    status, arn = found["ProcessingJobStatus"], found["ProcessingJobArn"]
    reason = found.get("FailureReason", "") or found.get("ExitMessage", "")
    began, ended = found.get("ProcessingStartTime"), found.get("ProcessingEndTime")
    limit = found.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
    if status == "Stopped":
        if began and ended and limit and (ended - began).total_seconds() >= limit:
            return Seen(arn, JobStatus.FAILED, LIMITS["MaxRuntimeExceeded"])
        return Seen(arn, JobStatus.STOPPED, BY_A_PERSON)
    if status == "InProgress":
        return Seen(arn, JobStatus.RUNNING if began else JobStatus.PENDING)
    return _other(arn, status, reason)


def _other(arn: str, status: str, reason: str) -> Seen:
    if status == "Completed":
        return Seen(arn, JobStatus.SUCCEEDED)
    if status == "Failed":
        advice = f" {NO_CAPACITY}" if "CapacityError" in reason or "InsufficientCapacity" in reason else ""
        if _KILLED.match(reason):  # nobody else can send a signal to it there
            advice = f" It was {KILLED}."
        return Seen(arn, JobStatus.FAILED, f"SageMaker says: {' '.join(reason.split())}{advice}")
    if status == "Stopping":
        return Seen(arn, JobStatus.RUNNING)
    if status == "Deleting":  # only what is over can be deleted, and only by a person
        return Seen(arn, JobStatus.STOPPED, "It is being deleted.")
    raise PermanentError(
        f"SageMaker says of {arn} what this version does not know.",
        seen=status,
        safe="the job goes on; nothing was submitted.",
        hint="known: InProgress, Completed, Failed, Stopping, Stopped, Deleting.",
    )
