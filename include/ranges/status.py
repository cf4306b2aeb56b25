"""What stands of ranges: how far each is, and which landed days of a model are not published."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from include.core.control import ControlStore
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.storage import Storage
from include.data.published import published
from include.data.raw import RawPartitions
from include.ranges.progress import Progress, read_all
from include.ranges.span import Span

SHOWN = 5  # ranges


@dataclass(frozen=True)
class Standing:
    """`published` of the span's days are; `missing` have landed and are not; `not_landed` lack a partition."""

    span: Span
    published: int
    missing: list[Partition]
    not_landed: list[Partition]

    def command(self, model: str) -> str:
        """What takes in the missing days; empty where there are none."""
        if not self.missing:
            return ""
        return take_in_command(model, Span(self.missing[0], self.missing[-1], self.span.cadence))

    def to_json(self, model: str) -> dict[str, Any]:
        days = {"missing": list(map(str, self.missing)), "not_landed": list(map(str, self.not_landed))}
        span = {"from": str(self.span.first), "to": str(self.span.last), "days": len(self.span.days)}
        return {**span, "published": self.published, **days, "next": self.command(model)}


def take_in_command(model: str, span: Span) -> str:
    return f'airflow dags trigger {model}_features_range --conf \'{{"from": "{span.first}", "to": "{span.last}"}}\''


def latest(storage: Storage, model: str, most: int = SHOWN) -> list[Progress]:
    """The newest ranges of a model, the newest first."""
    return list(islice(read_all(storage, model), most))


def standing(
    spec: PartitionOwner, storage: Storage, control: ControlStore, first: Partition | None, last: Partition | None
) -> Standing | None:
    """Of the days between two, by default all that have landed whole; None where none has."""
    raw, cadence = RawPartitions.of(storage, spec), spec.data.cadence
    landed = set.intersection(*(set(raw.days(source)) for source in spec.data.sources))
    within = {day for day in landed if spec.data.holds(day)}
    if not within and (first is None or last is None):
        return None
    span = Span.of(first or min(within), last or max(within), cadence)
    done = published(control, spec.name, span.first, span.last)
    missing = [day for day in span.days if day in within and day not in done]
    return Standing(span, len(done), missing, [day for day in span.days if day not in landed])
