"""What a landing is asked with: the source's section of the spec and the days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.errors import DataError, SpecError
from include.core.partition import Cadence, Partition
from include.core.request import Request
from include.core.spec import PartitionOwner, Warehouse
from include.core.time import ONE_DAY

STEP, FUNCTION = "land", "include.landing.land_step:run"
MOST_DAYS = 366  # of one query: what is landed at once is on one task's disk
ASKED_FIRST = {"ready", "table", "partition"}  # fields by which one waits for a day: no rows depend on them


def section_of(spec: PartitionOwner, source: str) -> Warehouse:
    """The part of `data.warehouse` that brings a source. Raises SpecError where there is none."""
    found = [each for each in spec.data.warehouse if each.source == source]
    if not found:
        raise SpecError(
            f"Nothing in the spec of {spec.name} says how a warehouse brings the source {source!r}.",
            seen=[each.source for each in spec.data.warehouse],
            hint="name it in data.warehouse: Athena(source=..., ...), Redshift(...) or EmrServerless(...).",
        )
    return found[0]


def land_request(spec: PartitionOwner, source: str, first: Partition, last: Partition) -> Request:
    """Of the days `first` to `last`, both included. Raises SpecError and DataError for what cannot be landed."""
    section, cadence = section_of(spec, source), spec.data.cadence
    days = len(cadence.between(first, last))
    if not 1 <= days <= MOST_DAYS:
        raise DataError(
            f"A landing is of 1 to {MOST_DAYS} days, and {first} to {last} are {days}.",
            hint="give the first and the last day, both included; land more days in several tasks.",
        )
    if days > 1 and not section.day_column:
        raise SpecError(
            f"Several days of {source} are to be landed at once, and the spec of {spec.name} does not say which column tells "
            "them apart.",
            hint="name it in data.warehouse: day_column='ordered_at'; or land each day in a task of its own.",
        )
    params = {
        "source": source,
        "first": first.name,
        "last": last.name,
        **cadence.fields(),
        "warehouse": section.model_dump(mode="json", exclude=ASKED_FIRST),
        **({"empty_days": True} if spec.data.empty_days else {}),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={})


def asked_of(params: Mapping[str, Any]) -> list[Partition]:
    """The partitions that a request is about, oldest first."""
    cadence = Cadence.read(params)
    return cadence.between(*(cadence.parse(params[name]) for name in ("first", "last")))


def bounds_of(first: Partition, last: Partition) -> tuple[str, str]:
    """What `{first}` and `{after}` stand for: days of UTC by their dates, of any others the moments between which they lie."""
    if first.is_day:
        return first.name, (last.start.date() + ONE_DAY).isoformat()
    return str(first.start), str(last.end)
