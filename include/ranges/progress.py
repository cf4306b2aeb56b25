"""How far a range is: a small file under the storage root, `ranges/{model}/{run}.json`, written anew every few seconds.

It is for people alone. Which days are done is in the control store, and a run that goes on asks there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from include.core.digest import canonical_json, digest_json
from include.core.errors import PermanentError
from include.core.housekeeping import housekeeping
from include.core.storage import Storage
from include.core.time import instant, now, timestamp
from include.core.versioned import Format

PROGRESS = Format("the progress of a range")
RUNNING, DONE, FAILED = "running", "done", "failed"
EVERY = timedelta(seconds=2)  # between two writes
SILENT = timedelta(minutes=2)  # after which a range that says nothing counts as stopped


@dataclass
class Progress:
    """Of one run. `found`, `made`: days that were done before, and that it made; `elsewhere`: that another range has in hand.

    `failed`: why a day is not taken in, by day. Times are UTC, ISO 8601. `days_a_second`, `seconds_left`: of the made ones.
    """

    model: str
    run: str
    first: str
    last: str
    days: int
    started_at: str = field(default_factory=timestamp)
    updated_at: str = field(default_factory=timestamp)
    state: str = RUNNING
    found: int = 0
    made: int = 0
    elsewhere: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.found + self.made

    @property
    def seconds(self) -> float:
        return max((instant(self.updated_at) - instant(self.started_at)).total_seconds(), 0.001)

    @property
    def days_a_second(self) -> float:
        return self.made / self.seconds

    @property
    def seconds_left(self) -> float | None:
        """None where nothing tells yet."""
        left = self.days - self.done - len(self.failed)
        if self.state != RUNNING or not left:
            return 0.0
        return left / self.days_a_second if self.made else None

    @property
    def words(self) -> str:
        """One line: `312 of 1,096 days (12 found), 14.8 days/s, 53 s left; failed: 2013-03-01`."""
        unit = "days" if len(self.first) == len("2013-01-01") else "partitions"
        parts = [f"{self.done:,} of {self.days:,} {unit}"]
        parts[0] += f" ({self.found:,} found done)" if self.found else ""
        if self.made:
            parts.append(f"{self.days_a_second:.1f} {unit}/s")
        if self.state == RUNNING and self.seconds_left is not None:
            parts.append(f"{_span(self.seconds_left)} left")
        if self.elsewhere:
            parts.append(f"{self.elsewhere:,} in the hands of another range")
        return ", ".join(parts) + (f"; not taken in: {few(sorted(self.failed))}" if self.failed else "")

    def stands(self, moment: datetime | None = None) -> str:
        """Its state as of now: a range that was killed says nothing any more."""
        silent = (moment or now()) - instant(self.updated_at) > SILENT
        return "stopped" if self.state == RUNNING and silent else self.state

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "stands": self.stands(),
            "done": self.done,
            "days_a_second": round(self.days_a_second, 2),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left, 1),
            "words": self.words,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        known = set(cls.__dataclass_fields__)
        return cls(**{name: each for name, each in value.items() if name in known})


class Reporter:
    """Writes a progress where others see it, and says it to the log; not more often than is read."""

    def __init__(self, storage: Storage, progress: Progress, say: Callable[[str], None], every: timedelta = 5 * EVERY) -> None:
        self._storage, self._progress, self._say, self._every = storage, progress, say, every
        self._written = self._said = now()
        self._write()

    def look(self) -> None:
        """Called as often as anything changed."""
        moment = now()
        if moment - self._written >= EVERY:
            self._write()
        if moment - self._said >= self._every:
            self._said = moment
            self._say(self._progress.words)

    def end(self, state: str) -> None:
        self._progress.state = state
        self._write()

    def _write(self) -> None:
        self._progress.updated_at = timestamp()
        self._written = now()
        body = PROGRESS.stamp(asdict(self._progress))
        with housekeeping(f"the progress of {self._progress.run}"):
            self._storage.write(_path(self._progress.model, self._progress.run), canonical_json(body))


def read_all(storage: Storage, model: str) -> Iterator[Progress]:
    """Every range of a model that was ever begun, the newest first. What cannot be read is left out."""
    found = []
    for path in storage.list(f"ranges/{model}"):
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError, PermanentError):
            found.append(Progress.from_json(PROGRESS.read(json.loads(storage.read(path)), path)))
    yield from sorted(found, key=lambda each: each.started_at, reverse=True)


def few(days: list[str], most: int = 5) -> str:
    return ", ".join(days[:most]) + (f" and {len(days) - most} more" if len(days) > most else "")


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _path(model: str, run: str) -> str:
    return f"ranges/{model}/{digest_json(run)[:20]}.json"
