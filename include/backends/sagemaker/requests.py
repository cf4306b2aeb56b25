"""What is asked of SageMaker for one of our jobs: a training job, or a processing job for a batch that is scored.

Everything in a request is shown by Describe for ever, to whoever may look: no login is in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.backends.job_environment import environment
from include.backends.sagemaker import arrive
from include.backends.sagemaker.instances import has_own_disk, instance
from include.backends.sagemaker.place import UNSAID, Place
from include.core.address import without_login
from include.core.digest import digest_bytes
from include.core.environment import JOB_NAME, LOG_FIELDS, MODELS, STORES
from include.core.environment_aws import AWS_DEFAULT_REGION, SAGEMAKER_MLFLOW_SECRET
from include.core.errors import SpecError
from include.core.ports import Job
from include.core.settings import Settings

JOB, ROOT, CODE = "slipstream:job", "slipstream:root", "slipstream:code"  # tags by which a job is known as ours
ARGUMENT = 256  # characters of one part of a command
VALUE = {"training": 512, "processing": 256}  # characters of a variable
_TAG_VALUE = re.compile(r"[\w\s.:/=+@-]{0,256}")
LATE = 300  # seconds
WITHOUT = ("home", "models", "authorities", "ray_url")  # of the settings: what means nothing in a container


@dataclass(frozen=True)
class Requests:
    """Makes requests for the jobs of one environment, from its settings and its place. `region`: where S3 is asked."""

    place: Place
    settings: Settings
    region: str

    def training(self, job: Job, name: str) -> dict[str, Any]:
        """For CreateTrainingJob. Raises SpecError where the place or the job keeps it from being submitted."""
        self.place.require()
        place, chosen = self.place, instance(job.resources, self.place.instance)
        stopping = {"MaxRuntimeInSeconds": self._most(job)}
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "RoleArn": place.role,
            "AlgorithmSpecification": {
                "TrainingImage": place.image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": self._entrypoint(),
                "ContainerArguments": self._arguments(job),
            },
            "OutputDataConfig": {"S3OutputPath": f"{place.root}/sagemaker/output"},
            "ResourceConfig": {"InstanceType": chosen, "InstanceCount": 1, "VolumeSizeInGB": place.volume},
            "StoppingCondition": stopping,
            "Environment": self._environment(job, "training"),
            "Tags": self._tags(job),
        }
        if place.kms_key:
            request["OutputDataConfig"]["KmsKeyId"] = place.kms_key
            if not has_own_disk(chosen):
                request["ResourceConfig"]["VolumeKmsKeyId"] = place.kms_key
        if place.subnets:
            request["VpcConfig"] = self._network()
        if place.spot:
            stopping["MaxWaitTimeInSeconds"] = place.max_wait
            request["EnableManagedSpotTraining"] = True
            # What a library writes there by itself. Our own checkpoints go to the root, whole and verified: ADR 0058.
            request["CheckpointConfig"] = {
                "S3Uri": f"{place.root}/sagemaker/checkpoints/{name}",
                "LocalPath": "/opt/ml/checkpoints",
            }
        return request

    def processing(self, job: Job, name: str) -> dict[str, Any]:
        """For CreateProcessingJob. There is no spot capacity for it. Raises SpecError as `training` does."""
        self.place.require()
        place, chosen = self.place, instance(job.resources, self.place.instance)
        cluster: dict[str, Any] = {"InstanceType": chosen, "InstanceCount": 1, "VolumeSizeInGB": place.volume}
        if place.kms_key and not has_own_disk(chosen):
            cluster["VolumeKmsKeyId"] = place.kms_key
        request: dict[str, Any] = {
            "ProcessingJobName": name,
            "RoleArn": place.role,
            "AppSpecification": {
                "ImageUri": place.image,
                "ContainerEntrypoint": self._entrypoint(),
                "ContainerArguments": self._arguments(job),
            },
            "ProcessingResources": {"ClusterConfig": cluster},
            "StoppingCondition": {"MaxRuntimeInSeconds": self._most(job)},
            "Environment": self._environment(job, "processing"),
            "Tags": self._tags(job),
        }
        if place.subnets:
            request["NetworkConfig"] = {"VpcConfig": self._network()}
        return request

    def _most(self, job: Job) -> int:
        """Seconds. Whoever waits for a job with a limit of its own stops it; SageMaker does, where nobody waits any more."""
        most = self.place.max_seconds
        return min(most, math.ceil(job.seconds) + LATE) if job.seconds else most

    def is_ours(self, tags: Mapping[str, str], name: str) -> bool:
        """Whether a job with these tags is our job of that name: of this root, and not another environment's."""
        return tags.get(JOB) == tag_value(name) and tags.get(ROOT) == tag_value(self.place.root)

    def _entrypoint(self) -> list[str]:
        return ["python", "-P", f"{self.place.project}/include/backends/sagemaker/arrive.py"]

    def _arguments(self, job: Job) -> list[str]:
        """The job's own check comes first: include/backends/sagemaker/arrive.py."""
        arguments = [arrive.digest(), job.module, *job.arguments]
        for each in arguments:
            _require_short("A part of the job's command", each, ARGUMENT)
        return arguments

    def _environment(self, job: Job, kind: str) -> dict[str, str]:
        env = {
            **environment(self.settings, without=WITHOUT),
            MODELS.name: self.place.models,
            AWS_DEFAULT_REGION.name: self.region,
            JOB_NAME.name: job.name,
            SAGEMAKER_MLFLOW_SECRET.name: self.place.mlflow_secret,
            **job.env,
        }
        env = {name: without_login(value) for name, value in env.items() if name not in STORES and value}
        if len(env.get(LOG_FIELDS.name, "")) > VALUE[kind]:
            del env[LOG_FIELDS.name]  # it is shown in lines of the log, and of no effect
        for name, value in env.items():
            _require_short(name, value, VALUE[kind])
        return env

    def _network(self) -> dict[str, list[str]]:
        return {"Subnets": list(self.place.subnets), "SecurityGroupIds": list(self.place.security_groups)}

    def _tags(self, job: Job) -> list[dict[str, str]]:
        shown = {f"slipstream:{name}": value for name, value in job.labels.items()}
        ours = {**shown, JOB: job.name, ROOT: self.place.root, CODE: job.code}
        tags = {**dict(self.place.tags), **{name: tag_value(value) for name, value in ours.items() if value}}
        return [{"Key": name, "Value": value} for name, value in tags.items()]


def tag_value(text: str) -> str:
    """The text as a tag may hold it; one that AWS would not take, by its digest."""
    return text if _TAG_VALUE.fullmatch(text) else f"sha256:{digest_bytes(text.encode())}"


def _require_short(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise SpecError(
            f"{what} is too long for a job on SageMaker, which takes {most} characters.",
            seen=text,
            safe=UNSAID,
            hint="shorten it, such as the paths in SLIPSTREAM_SAGEMAKER_MODELS.",
        )
