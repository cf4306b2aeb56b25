"""What the settings say of jobs on SageMaker. Whoever only looks at jobs needs none of it but the prefix of names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from include.backends.sagemaker.names import checked_prefix
from include.core import environment_aws as variables
from include.core.errors import SpecError
from include.core.settings import Settings
from include.core.variable import Variable

IMAGE = re.compile(r"[\w.:/-]+@sha256:[0-9a-f]{64}")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")
TAG = re.compile(r"[\w\s.:/=+@-]*")
UNSAID = "no job was started."
MOST_TAGS = 40  # AWS takes 50, and ours are among them


@dataclass(frozen=True)
class Place:
    """Where and how jobs run, as the variables `SLIPSTREAM_SAGEMAKER_*` say it. Times are in seconds, the volume in GB."""

    root: str
    image: str
    role: str
    instance: str
    volume: int
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    kms_key: str
    spot: bool
    max_seconds: int
    max_wait: int
    tags: tuple[tuple[str, str], ...]
    prefix: str
    project: str
    models: str
    mlflow_secret: str

    @classmethod
    def of(cls, settings: Settings) -> Place:
        """Raises SpecError for a value that cannot be read. What is missing `require` says, once a job is submitted."""
        environ = settings.environ or None
        seconds = _number(variables.SAGEMAKER_MAX_SECONDS, settings)
        wait = variables.SAGEMAKER_MAX_WAIT_SECONDS.is_set(settings.environ)
        return cls(
            root=settings.root.rstrip("/"),
            image=variables.SAGEMAKER_IMAGE.read(environ),
            role=variables.SAGEMAKER_ROLE.read(environ),
            instance=variables.SAGEMAKER_INSTANCE.read(environ),
            volume=_number(variables.SAGEMAKER_VOLUME, settings),
            subnets=_listed(variables.SAGEMAKER_SUBNETS.read(environ)),
            security_groups=_listed(variables.SAGEMAKER_SECURITY_GROUPS.read(environ)),
            kms_key=variables.SAGEMAKER_KMS_KEY.read(environ),
            spot=variables.SAGEMAKER_SPOT.is_on(environ),
            max_seconds=seconds,
            max_wait=_number(variables.SAGEMAKER_MAX_WAIT_SECONDS, settings) if wait else 2 * seconds,
            tags=_tags(variables.SAGEMAKER_TAGS.read(environ)),
            prefix=checked_prefix(variables.SAGEMAKER_PREFIX.read(environ)),
            project=variables.SAGEMAKER_PROJECT.read(environ).rstrip("/"),
            models=variables.SAGEMAKER_MODELS.read(environ) or settings.models,
            mlflow_secret=variables.SAGEMAKER_MLFLOW_SECRET.read(environ),
        )

    def require(self) -> None:
        """Raises SpecError where a job could not be submitted, by the variable that says why."""
        if not self.root.startswith("s3://"):
            raise _wrong("SLIPSTREAM_ROOT", self.root, "jobs on SageMaker reach S3 alone: set it to s3://bucket/prefix.")
        if not IMAGE.fullmatch(self.image):
            hint = "name the image by its digest, for a tag may move: ACCOUNT.dkr.ecr.REGION.amazonaws.com/slipstream@sha256:..."
            raise _wrong(variables.SAGEMAKER_IMAGE.name, self.image, hint)
        if not ROLE.fullmatch(self.role):
            raise _wrong(
                variables.SAGEMAKER_ROLE.name, self.role, "set it to the role's ARN: arn:aws:iam::123456789012:role/NAME"
            )
        if bool(self.subnets) != bool(self.security_groups):
            seen = {"subnets": self.subnets, "security groups": self.security_groups}
            hint = f"set {variables.SAGEMAKER_SECURITY_GROUPS.name} as well, or neither."
            raise _wrong(variables.SAGEMAKER_SUBNETS.name, seen, hint)
        if self.spot and self.max_wait < self.max_seconds:
            hint = f"it is at least {variables.SAGEMAKER_MAX_SECONDS.name}, which is {self.max_seconds}."
            raise _wrong(variables.SAGEMAKER_MAX_WAIT_SECONDS.name, self.max_wait, hint)


def _number(variable: Variable, settings: Settings) -> int:
    text = variable.read(settings.environ or None)
    if not text.isdigit() or not int(text):
        raise _wrong(variable.name, text, "set it to a whole number above zero.")
    return int(text)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in text.split(","))))


def _tags(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for each in _listed(text):
        name, equals, value = each.partition("=")
        if not equals or not name or not TAG.fullmatch(name + value) or name.lower().startswith(("aws:", "slipstream:")):
            raise _wrong(
                variables.SAGEMAKER_TAGS.name, each, "write name=value, with commas between; no name of AWS's or of ours."
            )
        found.append((name, value))
    if len(found) > MOST_TAGS:
        raise _wrong(variables.SAGEMAKER_TAGS.name, len(found), f"name at most {MOST_TAGS}.")
    return tuple(found)


def _wrong(name: str, seen: object, hint: str) -> SpecError:
    return SpecError(
        f"{name} is {'not set' if seen == '' else 'wrong'} for jobs on SageMaker.", seen=seen, safe=UNSAID, hint=hint
    )
