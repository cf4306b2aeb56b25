"""Partitions that were made from other raw partitions than are there now: one of their look-back landed late, or landed again.

A day's features read its own raw partitions and those of `data.lookback_days` before it. What was there is in the request of its
result, partition by partition with a digest. A day without some of them is published all the same, and its result says which it
lacked. This finds the days to be made again by holding what each has read against what is there. A partition of another length
is a day here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.core.digest import digest_json
from include.core.errors import PermanentError
from include.core.ledger import Ledger
from include.core.partition import DAILY, Cadence, Partition
from include.core.request import Ref, Result
from include.core.spec import Data
from include.core.time import instant
from include.data.raw import RawPartitions

CLOCKS = timedelta(hours=1)  # that the clocks of a storage and of a worker may differ, and a run take from reading to its commit
Partitions = Mapping[str, Mapping[str, str]]  # {source: {partition: digest}}


@dataclass(frozen=True)
class Made:
    """What a day was made from, and when."""

    partitions: Partitions
    at: datetime  # UTC, with zone: the result's commit

    @classmethod
    def of(cls, ledger: Ledger, result: Result) -> Made:
        return cls(ledger.request(result.key).params["partitions"], instant(result.committed_at))


@dataclass(frozen=True)
class Late:
    """A day to be made again: (source, day) of the partitions that landed, or landed once more, since it was made."""

    day: Partition
    landed: tuple[tuple[str, Partition], ...]
    again: tuple[tuple[str, Partition], ...]

    @property
    def words(self) -> str:
        return "; ".join([*_words(self.landed, "landed"), *_words(self.again, "landed again")]) + " since it was made"

    @property
    def key(self) -> str:
        """What it is late by: another key after the next landing."""
        return digest_json([[(source, str(day)) for source, day in part] for part in (self.landed, self.again)])[:12]


class Digests:
    """Digests of the raw partitions that are there. Each is read once for as long as its time of change stays.

    With `trust_times` not at all, where nothing has changed it since the days that read it were made.
    """

    def __init__(self, *, trust_times: bool) -> None:
        self._trust_times = trust_times
        self._known: dict[tuple[str, Partition], tuple[datetime, str]] = {}

    def now(self, raw: RawPartitions, source: str, changed: Mapping[Partition, datetime], made: Iterable[Made]) -> dict[str, str]:
        """{partition: digest} of a source's partitions that are there and that one of the days has read.

        `changed`: the time of each partition's last write.
        """
        readers: dict[str, list[tuple[str, datetime]]] = {}
        for each in made:
            for day, digest in each.partitions.get(source, {}).items():
                readers.setdefault(day, []).append((digest, each.at))
        with ThreadPoolExecutor(max_workers=8) as pool:
            wanted = {day: readers[day.isoformat()] for day in changed if day.isoformat() in readers}
            found = pool.map(lambda day: self._digest(raw, source, day, changed[day], wanted[day]), wanted)
            return {day.isoformat(): digest for day, digest in zip(wanted, found, strict=True)}

    def _digest(
        self, raw: RawPartitions, source: str, day: Partition, changed: datetime, readers: Sequence[tuple[str, datetime]]
    ) -> str:
        digest, agreed = readers[0][0], len({digest for digest, _ in readers}) == 1
        if self._trust_times and agreed and changed < min(at for _, at in readers) - CLOCKS:
            return digest
        known = self._known.get((source, day))
        if known is None or known[0] != changed:
            known = self._known[source, day] = changed, raw.digest(source, day)
        return known[1]


def late_days(raw: RawPartitions, data: Data, made: Mapping[Partition, Made], digests: Digests) -> list[Late]:
    """Those of the days that were made from less, or from other bytes, than are there now; oldest first.

    A partition that is gone since counts for none, and a day whose own partitions are gone is left out: it cannot be made again.
    """
    changed = {source: _changed(raw, source) for source in data.sources}
    whole = {day: made[day] for day in sorted(made) if all(day in days for days in changed.values())}
    now = {source: digests.now(raw, source, changed[source], whole.values()) for source in data.sources}
    found = (_late(data, day, each, now, changed) for day, each in whole.items())
    return [late for late in found if late.landed or late.again]


def _late(data: Data, day: Partition, made: Made, now: Partitions, changed: Mapping[str, Mapping[Partition, datetime]]) -> Late:
    landed, again = [], []
    for source in data.sources:
        read = made.partitions.get(source, {})
        for past in (each for each in data.lookback(day) if each in changed[source]):
            if past.isoformat() not in read:
                landed.append((source, past))
            elif read[past.isoformat()] != now[source][past.isoformat()]:
                again.append((source, past))
    return Late(day, tuple(landed), tuple(again))


def _changed(raw: RawPartitions, source: str) -> dict[Partition, datetime]:
    """The partitions of a source that are there, each with the time of its last write."""
    folder = f"raw/{raw.model}/{source}/"
    found = ((raw.partition_of(path.removeprefix(folder)), at) for path, at in raw.storage.changed(folder.rstrip("/")))
    return {day: at for day, at in found if day is not None}


def lacked(data: Data, day: Partition, partitions: Partitions) -> dict[str, list[str]]:
    """The partitions of the look-back, by source, that one is made without; only sources that lack some."""
    days = [past.name for past in data.lookback(day)]
    found = {source: [past for past in days if past not in partitions.get(source, {})] for source in data.sources}
    return {source: missing for source, missing in found.items() if missing}


def made_of(ledger: Ledger, refs: Mapping[Partition, Ref], known: dict[str, Made]) -> dict[Partition, Made]:
    """What published days were made from; without those whose result is gone or damaged. `known` keeps them by the digests of
    their results: those never change."""

    def read(ref: Ref) -> Made | None:
        if ref.digest not in known:
            try:
                known[ref.digest] = Made.of(ledger, ledger.resolve(ref))
            except (PermanentError, FileNotFoundError, KeyError):
                return None
        return known[ref.digest]

    with ThreadPoolExecutor(max_workers=8) as pool:
        found = zip(refs, pool.map(read, refs.values()), strict=True)
        return {day: made for day, made in found if made is not None}


def ranges(
    days: Iterable[Partition], there: Callable[[Partition], bool], cadence: Cadence = DAILY
) -> list[tuple[Partition, Partition]]:
    """The partitions as few ranges, both ends included, which hold none that is not there: a run of such a one would wait."""
    found: list[tuple[Partition, Partition]] = []
    for day in map(cadence.of, sorted(set(days))):
        between = cadence.touching(found[-1][1].end, day.start) if found else []
        if found and len(between) <= 31 and all(map(there, between)):
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found


def _words(partitions: Sequence[tuple[str, Partition]], what: str) -> list[str]:
    sources = dict.fromkeys(source for source, _ in partitions)
    return [f"{source} of {_few([day for each, day in partitions if each == source])} {what}" for source in sources]


def _few(days: Sequence[Partition]) -> str:
    return ", ".join(map(str, days[:3])) + (f" and {len(days) - 3} more" if len(days) > 3 else "")
