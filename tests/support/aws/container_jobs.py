"""What SageMaker's training and processing jobs have in common: names that are taken for ever, a process, an end, tags, logs.

A job goes on when it is looked at: Describe, List, or `look`. Nothing waits and nothing sleeps.
"""

from __future__ import annotations

import signal
from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from tests.support.aws.container import Container, Image, role_environ
from tests.support.aws.part import AwsError, Body, Clock, Faults, Part, tag_list, tags_of

NO_CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
TAKEN = "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"


@dataclass
class Held:
    """One job, whatever its kind."""

    name: str
    arn: str
    region: str
    request: Body = field(repr=False)
    created: datetime
    tags: dict[str, str]
    status: str = "InProgress"
    secondary: str = "Starting"
    reason: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    stopping: str = ""
    """The secondary status that it will have been stopped with."""
    runs: list[Container] = field(default_factory=list, repr=False)
    transitions: list[Body] = field(default_factory=list, repr=False)
    waiting: str = ""
    """Why it does not run yet: `capacity`, or `interrupted`."""

    @property
    def over(self) -> bool:
        return self.status in ("Completed", "Failed", "Stopped")

    @property
    def container(self) -> Container | None:
        return self.runs[-1] if self.runs else None


class ContainerJobs(Part):
    """`held`: every job by its region and name. `images`: what stands for an image; any other one is the project itself."""

    service = "sagemaker"
    prefix = "SageMaker"
    kind: ClassVar[str]
    """In an ARN, as `training-job`."""
    group: ClassVar[str]
    """Of its logs."""
    label: ClassVar[str]
    """In AWS's fields: `TrainingJob` of `TrainingJobName`."""
    absent: ClassVar[str]
    """What Describe and Stop say of a name that they do not know, with a ValidationException."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        super().__init__(clock, faults)
        self.held: dict[tuple[str, str], Held] = {}
        self.images: dict[str, Image] = {}
        self.image = Image()
        self._without_capacity = 0

    # -- what a test does ----------------------------------------------------------------------------------

    def job(self, name: str) -> Held:
        return next(job for job in self.held.values() if job.name == name)

    def names(self) -> list[str]:
        return sorted(job.name for job in self.held.values())

    def started(self, name: str = "") -> int:
        """How many containers were ever started, of that job or of all."""
        return sum(len(job.runs) for job in self.held.values() if name in ("", job.name))

    def without_capacity(self, times: int) -> None:
        """The next so many looks for an instance find none; -1: until told otherwise."""
        self._without_capacity = times

    def stand_for(self, image: str, environ: dict[str, str]) -> None:
        """The project is that image, which brings these variables."""
        self.images[image] = Image(environ=tuple(environ.items()))

    def shown(self, text: str = "") -> list[dict[str, Any]]:
        """The jobs whose request holds that text: name, status, and how many containers were started."""
        with self.lock:
            found = [job for job in self.held.values() if text in str(job.request)]
            for job in found:
                self._look(job)
            return [{"name": job.name, "status": job.status, "runs": len(job.runs)} for job in found]

    def kill(self, name: str) -> None:
        """Its container dies, as of too little memory."""
        with self.lock:
            if (run := self.job(name).container) is not None:
                run.end()

    def look(self) -> None:
        """Have every job go on as far as it is."""
        with self.lock:
            for job in self.held.values():
                self._look(job)

    def forget(self, text: str = "") -> None:
        """End and forget the jobs whose request holds that text: for trials that share a server. AWS never forgets one."""
        with self.lock:
            for where, job in list(self.held.items()):
                if text in str(job.request):
                    for number, run in enumerate(job.runs):
                        run.remove()
                        run.forget(self.group, self._stream(job, number), job.region)
                    del self.held[where]

    def close(self) -> None:
        self.forget()

    def ship_logs(self) -> None:
        with self.lock:
            for job in self.held.values():
                self._ship(job)

    # -- what AWS answers ------------------------------------------------------------------------------------

    def _create(self, body: Body) -> Body:
        name = body[f"{self.label}Name"]
        arn = self.arn(self.kind, name)
        if (self.region, name) in self.held:
            raise AwsError("ResourceInUse", TAKEN.format(arn=arn))
        self.check(body)
        job = Held(name, arn, self.region, body, self.clock.now(), tags_of(body))
        self._turn(job, "InProgress", "Starting")
        self.held[self.region, name] = job
        self._look(job)
        return {f"{self.label}Arn": arn}

    def _describe(self, body: Body) -> Body:
        job = self._known(body)
        self._look(job)
        return self.described(job)

    def _stop(self, body: Body) -> Body:
        job = self._known(body)
        self._look(job)
        if job.over or job.stopping:
            raise AwsError("ValidationException", f"The request was rejected because the job is in status {job.status}.")
        self._end(job, "Stopped")
        return {}

    def _list(self, body: Body) -> Body:
        found = []
        for job in sorted(self.held.values(), key=lambda job: job.name):
            self._look(job)
            wanted = body.get("StatusEquals") in (None, job.status) and body.get("NameContains", "") in job.name
            if wanted and job.region == self.region:
                found.append(self.summary(job))
        start, size = int(body.get("NextToken") or 0), int(body.get("MaxResults") or 10)
        more = {"NextToken": str(start + size)} if len(found) > start + size else {}
        return {f"{self.label}Summaries": found[start : start + size], **more}

    def list_tags(self, body: Body) -> Body | None:
        job = self._of_arn(body)
        return None if job is None else {"Tags": tag_list(job.tags)}

    def add_tags(self, body: Body) -> Body | None:
        job = self._of_arn(body)
        if job is None:
            return None
        job.tags |= tags_of(body)
        return {"Tags": tag_list(job.tags)}

    def delete_tags(self, body: Body) -> Body | None:
        job = self._of_arn(body)
        if job is None:
            return None
        job.tags = {key: value for key, value in job.tags.items() if key not in body["TagKeys"]}
        return {}

    # -- what a kind of job says -------------------------------------------------------------------------------

    def check(self, body: Body) -> None:
        """Raises AwsError for a request that AWS refuses though its shape is right."""

    @abstractmethod
    def command(self, body: Body) -> tuple[str, list[str], dict[str, str]]:
        """The image, the command and the environment."""

    @abstractmethod
    def limits(self, body: Body) -> tuple[float, float]:
        """Seconds that it may run, and that it may take in all."""

    @abstractmethod
    def described(self, job: Held) -> Body: ...

    def is_spot(self, job: Held) -> bool:
        del job
        return False

    def summary(self, job: Held) -> Body:
        return {
            f"{self.label}Name": job.name,
            f"{self.label}Arn": job.arn,
            f"{self.label}Status": job.status,
            "CreationTime": job.created.timestamp(),
        }

    # -- how a job goes on ---------------------------------------------------------------------------------------

    def _look(self, job: Held) -> None:
        if job.over:
            return
        runtime, wait = self.limits(job.request)
        now, container = self.clock.now(), job.container
        if job.stopping:
            self._stopped(job, container)
        elif (now - job.created).total_seconds() > wait:
            self._end(job, "MaxWaitTimeExceeded")
        elif container is None or job.waiting:
            self._start(job)
        elif job.began is not None and (now - job.began).total_seconds() > runtime:
            self._end(job, "MaxRuntimeExceeded")
        elif (status := container.status) is not None:
            self._ship(job)
            reason = f"AlgorithmError: {container.failure or 'the container ended'}, exit code: {status}" if status else ""
            self._turn(job, "Failed" if status else "Completed", "Failed" if status else "Completed", reason)
        else:
            self._turn(job, "InProgress", self.running)

    running: ClassVar[str] = "Training"

    def _start(self, job: Held) -> None:
        if self._without_capacity:
            self._without_capacity -= self._without_capacity > 0
            if not self.is_spot(job):
                self._turn(job, "Failed", "Failed", NO_CAPACITY)
                return
            job.waiting = job.waiting or "capacity"
            self._turn(job, "InProgress", "Interrupted" if job.runs else "Starting", message="Insufficient capacity, retrying!")
            return
        image, command, environ = self.command(job.request)
        where = self.images.get(image, self.image)
        before = job.container.checkpoints if job.container else None
        own = {**role_environ(self.address, job.region), self.variable: job.name}
        job.runs.append(Container(where, command, {**own, **environ}, before))
        job.waiting, job.began = "", job.began or self.clock.now()

    variable: ClassVar[str] = "TRAINING_JOB_NAME"

    def _end(self, job: Held, secondary: str) -> None:
        """Ask its process to end; the next look finds it stopped."""
        job.stopping = secondary
        if job.container is not None:
            job.container.end(signal.SIGTERM)
        self._turn(job, "Stopping", "Stopping")

    def _stopped(self, job: Held, container: Container | None) -> None:
        if container is not None:
            container.end()  # a second look is two minutes later, for it
            self._ship(job)
        self._turn(job, "Stopped", job.stopping)

    def _turn(self, job: Held, status: str, secondary: str, reason: str = "", message: str = "") -> None:
        now = self.clock.now().timestamp()
        if (job.status, job.secondary) != (status, secondary) or not job.transitions:
            if job.transitions:
                job.transitions[-1]["EndTime"] = now
            job.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message or secondary})
        if message:
            job.transitions[-1]["StatusMessage"] = message
        job.status, job.secondary, job.reason = status, secondary, reason or job.reason
        if job.over:
            job.ended = self.clock.now()

    def _ship(self, job: Held) -> None:
        for number, run in enumerate(job.runs):
            run.ship(self.group, self._stream(job, number), job.region)

    def _stream(self, job: Held, number: int) -> str:
        return f"{job.name}/algo-1-{int(job.created.timestamp()) + number}"

    def _known(self, body: Body) -> Held:
        name = body[f"{self.label}Name"]
        if (self.region, name) not in self.held:
            raise AwsError("ValidationException", self.absent.format(name=name))
        return self.held[self.region, name]

    def _of_arn(self, body: Body) -> Held | None:
        return next((job for job in self.held.values() if job.arn == body["ResourceArn"]), None)


def times(**moments: datetime | None) -> dict[str, Any]:
    """Those that are known, as AWS's JSON has them."""
    return {name: moment.timestamp() for name, moment in moments.items() if moment is not None}
