"""What has landed and waits to be worked on, from the state of the stores. Nothing is stored that could be lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from croniter import croniter  # type: ignore[import-untyped]

from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.spec import ModelSpec, PartitionOwner
from include.core.time import parse_time, utc, zoned
from include.data.published import newest, published
from include.data.raw import RawPartitions
from include.data.window import Window
from include.features.offline.late import Digests, Made, late_days, made_of
from include.monitoring.retraining.retrainings import decided
from include.services.services import Services

PENDING_SECONDS = 600.0  # an event's work has that long before the next event is sent
AGAIN_SECONDS = 3600.0  # what is still to be done after that long gets its event once more, then after twice as long, ...
LONGEST_SECONDS = 86_400.0  # ... and at last once a day: a day that never validates must not fail every hour
Event = Mapping[str, Any]  # its values are strings; `key` says what it is about


@dataclass
class EventCache:
    """What need not be read at every check, since it never changes: what results were made from, digests by time of change."""

    made: dict[str, Made] = field(default_factory=dict)  # by the digest of the result
    digests: dict[str, Digests] = field(default_factory=dict)  # by model


def landed_days(services: Services, spec: PartitionOwner, cache: EventCache | None = None) -> list[Event]:
    """Days to be made, oldest first: whose raw partitions have all landed and that are not published. After them the published
    days that were made from less, or other, than is there now (include/features/offline/late.py)."""
    raw, data = RawPartitions.of(services.storage, spec), spec.data
    landed = set.intersection(*(set(raw.days(source)) for source in data.sources))
    days = sorted(day for day in landed if data.holds(day))
    known = published(services.control, spec.name, days[0], days[-1]) if days else {}
    new: list[Event] = [{"key": f"{spec.name}:{day}", "day": day.name} for day in days if day not in known]
    cache = cache or EventCache()
    digests = cache.digests.setdefault(spec.name, Digests(trust_times=True))
    late = late_days(raw, data, made_of(services.ledger, known, cache.made), digests)
    return new + [{"key": f"{spec.name}:{each.day}@{each.key}", "day": each.day.name} for each in late]


def closed_window(services: Services, spec: ModelSpec) -> list[Event]:
    """The newest monitoring window whose days are all published, if it is undecided and a champion is there to be watched."""
    last = newest(services.control, spec.name)
    if last is None or services.champion(spec.name) is None:
        return []
    end = _last_scheduled(spec.monitoring.schedule, last.end)
    window = Window.ending(end, spec.monitoring.window_days)
    wanted = [day for day in spec.data.cadence.touching(window.start, window.end) if day >= spec.data.earliest]
    known = published(services.control, spec.name, wanted[0], wanted[-1]) if wanted else {}
    key = f"{spec.name}:{window.name}"
    if not wanted or len(known) < len(wanted) or decided(services.control, key):
        return []
    return [{"key": key, "as_of": end.isoformat()}]


def asked_together(extras: Iterable[Event], spec: ModelSpec, control: ControlStore, key: str) -> list[str]:
    """The ends of other windows than `key`'s that the same run's events ask for and that are undecided; each once, oldest
    first."""
    asked = set()
    for extra in extras:
        with suppress(DataError):  # somebody's own event, by hand: no run of it would judge anything
            asked |= {parse_time(str(extra["as_of"]))} if extra.get("as_of") else set()
    others = {end: f"{spec.name}:{Window.ending(end, spec.monitoring.window_days).name}" for end in sorted(asked)}
    return [end.isoformat() for end, other in others.items() if other != key and not decided(control, other)]


def next_event(waiting: Sequence[Event], sent: Mapping[str, tuple[float, int]], now: float) -> Event | None:
    """The event to send: one at a time, for Airflow makes one run of events that wait together; lost ones once more.

    `sent`: when each key's event was sent last, on the clock of `now`, in seconds; and how often.
    """
    known = [(now - sent[str(event["key"])][0]) for event in waiting if event["key"] in sent]
    if any(age < PENDING_SECONDS for age in known):
        return None
    return next((event for event in waiting if _may_send(sent.get(str(event["key"])), now)), None)


def _may_send(sent: tuple[float, int] | None, now: float) -> bool:
    if sent is None:
        return True
    at, times = sent
    return now - at >= min(AGAIN_SECONDS * 2.0 ** (times - 1), LONGEST_SECONDS)


def _last_scheduled(schedule: str, moment: datetime) -> datetime:
    """The last time of a cron schedule at or before a moment; UTC, without zone."""
    after = zoned(moment) + timedelta(seconds=1)
    found: datetime = croniter(schedule, after).get_prev(datetime)
    return utc(found)
