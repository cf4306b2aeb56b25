"""Jobs on SageMaker: each attempt's job is there once, whoever submits it and however often.

The attempt's name is the job's, so SageMaker itself refuses a second one. It is asked for by that name before it is made, and is
adopted where its tags say that it is ours. Nothing is listed to find out what exists: `under_way` alone searches, for people, the
garbage collector and the reconciler, and starts nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NoReturn

from include.backends.aws.errors import code, reaching
from include.backends.sagemaker import state
from include.backends.sagemaker.cloudwatch import last_lines
from include.backends.sagemaker.names import SCORES, job_name
from include.backends.sagemaker.place import UNSAID, Place
from include.backends.sagemaker.requests import JOB, Requests
from include.backends.sagemaker.state import Seen
from include.core import fault
from include.core.environment_aws import SAGEMAKER_INSTANCE, SAGEMAKER_PREFIX
from include.core.errors import ConflictError, JobFailedError, PermanentError, SlipstreamError, SpecError, UnreachableError
from include.core.ports import AwsAccess, Job, JobStatus, Logins, OpenAws, no_logins, open_aws
from include.core.settings import Settings

log = logging.getLogger(__name__)
KEPT = "a job that was submitted before goes on."
OURS = "slip-"  # what attempts are called
ABSENT = ("not found", "could not find", "does not exist")  # in a ValidationException
ENDED = ("in status", "already", "not in")  # likewise, of Stop
UNDER_WAY = ("InProgress", "Stopping")
PAGE = 100


@dataclass(frozen=True)
class Kind:
    """Training or processing, as the API's calls name it."""

    label: str
    group: str
    page: str
    """In the console's address."""
    seen: Callable[[Mapping[str, Any]], Seen]

    def call(self, client: Any, verb: str) -> Callable[..., Mapping[str, Any]]:
        found: Callable[..., Mapping[str, Any]] = getattr(client, f"{verb}_{self.label.lower()}_job")
        return found

    def named(self, name: str) -> dict[str, str]:
        return {f"{self.label}JobName": name}


TRAINING = Kind("Training", "/aws/sagemaker/TrainingJobs", "jobs", state.training)
PROCESSING = Kind("Processing", "/aws/sagemaker/ProcessingJobs", "processing-jobs", state.processing)


class SageMakerJobs:
    """The port `JobBackend`. A job of the step `score` is a processing job, any other a training job."""

    def __init__(self, settings: Settings, aws: OpenAws) -> None:
        self._settings, self._open = settings, aws
        self._place = Place.of(settings)

    @cached_property
    def _aws(self) -> AwsAccess:
        return self._open()

    @cached_property
    def _client(self) -> Any:
        with reaching("SageMaker", safe=KEPT):
            return self._aws.client("sagemaker")

    @cached_property
    def _requests(self) -> Requests:
        return Requests(self._place, self._settings, self._aws.region)

    def submit(self, job: Job) -> None:
        """Start it under our name. Does nothing if a job of that name exists and is ours, whatever its state.

        Raises ConflictError where it is somebody else's; UnreachableError, after which the job may or may not exist;
        JobFailedError where the account has no room for one more now; SpecError for settings that start no job.
        """
        kind, name = _kind(job.name), self._name(job.name)
        if (seen := self._describe(kind, job.name)) is not None:
            self._require_ours(seen, job.name)
            return
        request = self._requests.processing(job, name) if kind is PROCESSING else self._requests.training(job, name)
        fault.point("jobs.claimed")
        try:
            with reaching(f"the job {job.name}", safe=UNSAID, hint="see docs/aws.md and the settings SLIPSTREAM_SAGEMAKER_*."):
                kind.call(self._client, "create")(**request)
        except SlipstreamError as error:
            refused = code(error.__cause__) if error.__cause__ else ""
            if refused == "ResourceLimitExceeded":
                raise _no_room(job.name, error) from error
            if refused != "ResourceInUse":
                raise
            self._adopt(kind, job.name)

    def _adopt(self, kind: Kind, name: str) -> None:
        """Another submitter came first, or an answer of ours was lost: the job is there. Raises ConflictError."""
        seen = self._describe(kind, name)
        if seen is None:
            raise UnreachableError(
                f"SageMaker says that the name of job {name} is taken, and does not show by whom yet.",
                safe="nothing was started a second time.",
                hint="the task is retried.",
            )
        self._require_ours(seen, name)

    def status(self, name: str) -> JobStatus:
        """Raises UnreachableError where SageMaker does not answer, or asks for fewer questions."""
        seen = self._describe(_kind(name), name)
        return JobStatus.UNKNOWN if seen is None else seen.status

    def waits_for(self, name: str) -> str:
        """What SageMaker says of a job that has not begun: which stage of its start it is in."""
        seen = self._describe(_kind(name), name)
        return seen.words if seen is not None and seen.status is JobStatus.PENDING else ""

    def under_way(self) -> list[str]:
        """Names of our jobs that are pending or running, sorted. SageMaker's list may lag by some seconds."""
        found = set()
        for kind in (TRAINING, PROCESSING):
            for arn in self._listed(kind):
                tags = self._tags(arn)
                name = tags.get(JOB, "")
                if name and self._requests.is_ours(tags, name):
                    found.add(name)
        return sorted(found)

    def _listed(self, kind: Kind) -> Iterator[str]:
        pages = self._client.get_paginator(f"list_{kind.label.lower()}_jobs")
        begin = f"{self._place.prefix}{OURS}"
        for status in UNDER_WAY:
            with reaching("the list of jobs under way", safe=KEPT):
                for page in pages.paginate(NameContains=begin, StatusEquals=status, PaginationConfig={"PageSize": PAGE}):
                    for job in page[f"{kind.label}JobSummaries"]:
                        if job[f"{kind.label}JobName"].startswith(begin):
                            yield job[f"{kind.label}JobArn"]

    def logs(self, name: str, lines: int = 50) -> str:
        """The last lines it wrote, and below them why SageMaker says that it ended."""
        kind = _kind(name)
        seen = self._describe(kind, name)
        if seen is None:
            return ""
        words = [seen.words] if seen.words else []
        wanted = lines - len(words)
        if wanted <= 0:
            return words[-1]
        try:
            written = last_lines(self._aws.client("logs"), kind.group, self._name(name), wanted)
        except PermanentError as error:  # the reason is worth more than the right to read the log
            written = [f"(its log in CloudWatch could not be read: {error.what})"]
        return "\n".join([*written, *words])

    def stop(self, name: str) -> None:
        """Ask it to end, which takes up to two minutes. Silent if it is over or unknown. Raises ConflictError for another's."""
        kind = _kind(name)
        seen = self._describe(kind, name)
        if seen is None or seen.status.over:
            return
        self._require_ours(seen, name)
        try:
            with reaching(f"the job {name}", safe="the job goes on."):
                kind.call(self._client, "stop")(**kind.named(self._name(name)))
        except PermanentError as error:  # it may have ended, or been stopped, in between
            if code(error.__cause__ or error) != "ValidationException" or not any(word in str(error) for word in ENDED):
                raise

    def url(self, name: str) -> str:
        """Its page in AWS's console."""
        kind, region = _kind(name), self._aws.region
        return f"https://{_console(region)}/sagemaker/home?region={region}#/{kind.page}/{self._name(name)}"

    def _name(self, name: str) -> str:
        return job_name(name, self._place.prefix)

    def _describe(self, kind: Kind, name: str) -> Seen | None:
        """None where there is no job of that name."""
        try:
            with reaching(f"the job {name}", safe=KEPT):
                return kind.seen(kind.call(self._client, "describe")(**kind.named(self._name(name))))
        except PermanentError as error:
            if _is_absent(error):
                return None
            raise

    def _tags(self, arn: str) -> dict[str, str]:
        """Of a job. Raises PermanentError where the login may not ask for them: then nobody can tell whose it is."""
        with reaching(f"the tags of {arn}", safe=KEPT):
            pages = self._client.get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    def _require_ours(self, seen: Seen, name: str) -> None:
        tags = self._tags(seen.arn)
        if not self._requests.is_ours(tags, name):
            _refuse_other(seen, tags, name)


def _kind(name: str) -> Kind:
    """By its name alone, which is all that whoever asks for a job later has."""
    return PROCESSING if name.startswith(SCORES) else TRAINING


def _is_absent(error: PermanentError) -> bool:
    """DescribeTrainingJob says of an unknown name `ValidationException: Requested resource not found.`"""
    seen = code(error.__cause__) if error.__cause__ else ""
    words = str(error.__cause__).lower()
    return seen in ("ResourceNotFound", "ResourceNotFoundException") or (
        seen == "ValidationException" and any(word in words for word in ABSENT)
    )


def _refuse_other(seen: Seen, tags: Mapping[str, str], name: str) -> NoReturn:
    ours = {key: value for key, value in tags.items() if key.startswith("slipstream:")}
    whose = "another environment's" if ours else "somebody else's"
    raise ConflictError(
        f"The job {name} on SageMaker is {whose}: its tags are not those of ours.",
        seen={"job": seen.arn, **ours},
        safe="it was not touched, and no job was started.",
        hint=f"set {SAGEMAKER_PREFIX.name} (such as staging-) so that this environment's jobs have names of their own, then "
        "clear the task.",
    )


def _no_room(name: str, error: SlipstreamError) -> SlipstreamError:
    """The account's quota: none at all is for a person to raise, one that is used up becomes free again."""
    said = str(error.__cause__)
    if " is 0 Instances" in said:
        return SpecError(
            f"The account may run no such instance for job {name}: its quota is 0.",
            seen=said,
            safe=UNSAID,
            hint="ask AWS for it (Service Quotas, Amazon SageMaker), or choose another "
            f"{SAGEMAKER_INSTANCE.name}; then clear the task.",
        )
    return JobFailedError(
        f"The account has no room for job {name} now: its quota of such instances is used up.",
        seen=said,
        safe=UNSAID,
        hint="the task is retried; raise the quota (Service Quotas, Amazon SageMaker), or run fewer at once (the pool of jobs).",
    )


def _console(region: str) -> str:
    if region.startswith("cn-"):
        return f"{region}.console.amazonaws.cn"
    return "console.amazonaws-us-gov.com" if region.startswith("us-gov-") else f"{region}.console.aws.amazon.com"


def open_jobs(settings: Settings, logins: Logins = no_logins, aws: OpenAws | None = None) -> SageMakerJobs:
    """Jobs with the settings of this environment. They have the execution role's login, and `logins` stay here."""
    del logins
    return SageMakerJobs(settings, aws or partial(open_aws, settings))
