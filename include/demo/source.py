"""The source's own copy of what the airline sends, and its arrival in the store.

The callers and the stream read the copy, which holds days ahead of the replay; nothing of it is known to the platform before it
arrives.
"""

from __future__ import annotations

from datetime import date, timedelta

from include.core.storage import Storage
from include.core.time import days_between
from include.data.raw import RawPartitions
from include.demo.flights import MODEL, SOURCES, land

BLOCK = timedelta(days=28)  # made at once: to read the year's CSV files costs more than to write a month


def provide(copy: Storage, first: date, last: date) -> None:
    """Make the copy's partitions from `first` to `last`, both included, and some days more; those it has stay."""
    raw = RawPartitions(copy, MODEL)
    missing = [day for day in days_between(first, last) if not all(raw.exists(source, day) for source in SOURCES)]
    if missing:
        land(copy, missing[0], max(last, min(missing[0] + BLOCK, date(2013, 12, 31))))


def arrive(copy: Storage, store: Storage, first: date, last: date) -> int:
    """The days' partitions reach the store, byte for byte. Returns how many were not there before."""
    provide(copy, first, last)
    raw, arrived = RawPartitions(store, MODEL), 0
    for day in days_between(first, last):
        for source in SOURCES:
            path = raw.path(source, day)
            data = copy.read(path)
            if not store.exists(path) or store.read(path) != data:
                store.write(path, data)
                arrived += 1
    return arrived
