"""What the fakes of AWS's services share: a request told apart, an error as AWS sends it, a clock, throttling on demand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock, RLock
from typing import Any, ClassVar

from tests.support.aws.shapes import broken_limits

ACCOUNT = "123456789012"  # moto's
_WORD = re.compile(r"(?<!^)(?=[A-Z])")

Body = dict[str, Any]
Handler = Callable[[Body], Body | None]
"""None: somebody else is to answer, in the end moto."""


class AwsError(Exception):
    """An error as AWS's JSON protocols send it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code, self.message, self.status = code, message, status
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True)
class Raw:
    """An answer that is no JSON of a target protocol: its own status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Asked:
    """One request: the operation, if its header names one, and what else may tell."""

    target: str
    """As `SageMaker.CreateTrainingJob`; empty where the protocol has no such header."""
    method: str
    path: str
    region: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name, in lower case."""

    @property
    def operation(self) -> str:
        return self.target.rpartition(".")[2]

    def json(self) -> Body:
        value: Body = json.loads(self.body or b"{}")
        return value


class Clock:
    """AWS's own time. It stands still until a test lets time pass."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._lock = Lock()

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


class Faults:
    """What AWS refuses whoever asks: for so many calls, or until the clock has gone on for so many seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, Lock()
        self._times: dict[str, int] = {}
        self._until: dict[str, datetime] = {}
        self._error: dict[str, AwsError] = {}
        self.refused: dict[str, int] = {}
        """How often each operation was refused."""

    def throttle(self, operation: str, times: int = 0, seconds: float = 0.0) -> None:
        """`operation`: as `DescribeTrainingJob`; `*` for all of the fakes' own."""
        self.refuse(operation, "ThrottlingException", "Rate exceeded", times=times, seconds=seconds)

    def refuse(
        self, operation: str, code: str, message: str = "", *, times: int = 0, seconds: float = 0.0, status: int = 400
    ) -> None:
        with self._lock:
            self._times[operation] = times
            self._until[operation] = self._clock.now() + timedelta(seconds=seconds)
            self._error[operation] = AwsError(code, message, status)

    def check(self, operation: str) -> None:
        """Raises AwsError where this call is refused."""
        with self._lock:
            for name in (operation, "*"):
                left = self._times.get(name, 0)
                if left or self._clock.now() < self._until.get(name, self._clock.now()):
                    self._times[name] = max(left - 1, 0)
                    self.refused[operation] = self.refused.get(operation, 0) + 1
                    raise self._error[name]


class Part:
    """A service's fake: its methods are named as AWS's operations, `create_training_job` answers CreateTrainingJob.

    Each is called with the request's JSON, which keeps AWS's own limits, under one lock. `region` is the request's. One that
    returns None leaves the request to the next part, and in the end to moto.
    """

    service: ClassVar[str]
    """As boto3 names it."""
    prefix: ClassVar[str]
    """Of the target header, as `SageMaker`."""
    operations: ClassVar[tuple[str, ...]] = ()

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.clock, self.faults = clock, faults
        self.lock = RLock()
        self.address = ""  # of the whole server, once it listens
        self.region = "us-east-1"

    def handler(self, asked: Asked) -> Handler | None:
        """Who answers this request; None where it is not of this part."""
        prefix, _, operation = asked.target.rpartition(".")
        if prefix != self.prefix or operation not in self.operations:
            return None
        method: Handler = getattr(self, _WORD.sub("_", operation).lower())

        def answer(body: Body) -> Body | None:
            with self.lock:
                self.region = asked.region
                return method(body)

        return answer

    def answer(self, asked: Asked) -> Body | Raw | None:
        """The answer, or None for a request of somebody else's. Raises AwsError."""
        handler = self.handler(asked)
        if handler is None:
            return None
        self.faults.check(asked.operation)
        body = asked.json()
        if broken := broken_limits(self.service, asked.operation, body):
            raise AwsError("ValidationException", f"{len(broken)} validation error(s) detected: {'; '.join(broken)}")
        return handler(body)

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:{self.service}:{self.region}:{ACCOUNT}:{kind}/{name}"

    def takes(self, path: str) -> bool:
        """Whether a request without a target header is this part's, by its path. `handler` then says who answers it."""
        del path
        return False

    def ship_logs(self) -> None:
        """Bring moto's CloudWatch Logs up to date, before they are asked for."""

    def close(self) -> None:
        """End what it runs."""


def tags_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Of a request's list of tags."""
    return {tag["Key"]: tag["Value"] for tag in body.get("Tags") or ()}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
