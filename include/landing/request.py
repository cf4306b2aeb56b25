"""What a landing is asked with: the source's section of the spec and the days."""

from __future__ import annotations

from datetime import date

from include.core.errors import DataError, SpecError
from include.core.request import Request
from include.core.spec import PartitionOwner, Warehouse

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


def land_request(spec: PartitionOwner, source: str, first: date, last: date) -> Request:
    """Of the days `first` to `last`, both included. Raises SpecError and DataError for what cannot be landed."""
    section = section_of(spec, source)
    days = (last - first).days + 1
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
        "first": first.isoformat(),
        "last": last.isoformat(),
        "warehouse": section.model_dump(mode="json", exclude=ASKED_FIRST),
        **({"empty_days": True} if spec.data.empty_days else {}),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={})
