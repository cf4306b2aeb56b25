"""The state of data, partition by partition: what was judged, what failed, what is set aside, is missing, is late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.errors import DataError, IntegrityError
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Ref
from include.core.spec import FeatureSet, PartitionOwner
from include.data.extents import names_since_in, newest_names_in
from include.data.published import published
from include.data.raw import RawPartitions
from include.governance.audit import acts_on
from include.overview.installation import Installation
from include.validation.kept import KeptVerdict, newest_verdicts_in, verdicts_on

LATELY = 30  # partitions, and verdicts, that the line of an owner counts
MOST = 100  # partitions of a page
SHOWN = 10  # acts
ACTS = ("quarantine.release", "features.backfill", "invalidate", "replace_partition")
WORDS = {
    "published": "Its features are published.",
    "failed": "A rule that stops did not hold: nothing of it was published; what was published before stays.",
    "landed": "Its raw partitions have landed, and its features are not published.",
    "partly landed": "Some of its sources have not landed.",
    "missing": "None of its sources has landed.",
}


@dataclass(frozen=True)
class Extent:
    """The partitions that an owner should have had by now. Empty before its first has ended."""

    spec: PartitionOwner
    now: datetime  # UTC, without a zone

    @property
    def last(self) -> Partition | None:
        """The newest that has ended, of those that the source has."""
        data = self.spec.data
        due = data.cadence.previous(data.cadence.at(self.now))
        due = due if data.last is None else min(due, data.latest(data.last))
        return due if data.holds(due) else None

    @property
    def lately(self) -> list[Partition]:
        """The newest of those that are due, newest first."""
        return self.before(last, LATELY) if (last := self.last) else []

    def before(self, partition: Partition, most: int) -> list[Partition]:
        """It and those before it, newest first."""
        return list(islice(self._back(partition), most))

    def _back(self, partition: Partition) -> Iterable[Partition]:
        while self.spec.data.holds(partition):
            yield partition
            partition = self.spec.data.cadence.previous(partition)


def standing_lines(control: ControlStore, specs: Sequence[PartitionOwner], now: datetime) -> list[dict[str, Any]]:
    """Each owner in a line, from the control store alone; a few questions for all of them."""
    wanted = {spec.name: Extent(spec, now) for spec in specs}
    lately = {name: each.lately for name, each in wanted.items()}
    with control.transaction() as connection:
        there, counts = _published(connection, lately), newest_names_in(connection)
        judged = {name: newest_verdicts_in(connection, name, LATELY) for name in wanted}
    return [_line(wanted[name], lately[name], there.get(name, set()), counts.get(name), judged[name]) for name in wanted]


def _line(
    wanted: Extent, lately: list[Partition], there: set[str], count: tuple[str, int] | None, judged: list[KeptVerdict]
) -> dict[str, Any]:
    spec, (newest, days) = wanted.spec, count or ("", 0)
    open_ = [each for each in lately if each.name not in there]
    last = judged[0] if judged else None
    return {
        "owner": spec.name,
        "kind": "feature_set" if isinstance(spec, FeatureSet) else "model",
        "team": spec.owner,
        "sources": list(spec.data.sources),
        "cadence": spec.data.cadence.words,
        "newest": newest,
        "published": days,
        "due": str(lately[0]) if lately else "",
        "open": len(open_),
        "late_seconds": _late(newest, open_, wanted.now),
        "late_at_least": len(open_) == LATELY,  # nobody looks further back
        "last": None if last is None else {"day": last.day, "at": last.at, "passed": last.passed},
        "judged": len(judged),
        "failed": sum(not each.passed for each in judged),
        "quarantined": sum(each.quarantined for each in judged),
        "rows": sum(each.rows for each in judged),
    }


def _late(newest: str, open_: Sequence[Partition], now: datetime) -> float:
    """Seconds since the oldest partition after the newest published one has ended; 0 where none is awaited."""
    awaited = [each for each in open_ if newest < each.name]  # names sort as the partitions do
    return (now - min(awaited).end).total_seconds() if awaited else 0.0


def _published(connection: sa.Connection, lately: Mapping[str, Sequence[Partition]]) -> dict[str, set[str]]:
    """By owner the names of those that are published; owners of a like extent are asked about together."""
    by_start: dict[datetime, list[str]] = {}
    for name, days in lately.items():
        if days:
            by_start.setdefault(days[-1].start, []).append(name)
    found = (names_since_in(connection, names, start) for start, names in by_start.items())
    return {name: days for each in found for name, days in each.items()}


def partitions_of(
    services: Installation, spec: PartitionOwner, now: datetime, last: Partition | None = None, most: int = 31
) -> dict[str, Any]:
    """A page of an owner's partitions, newest first, by default from the newest that is due."""
    wanted = Extent(spec, now)
    start = last or wanted.last
    days = wanted.before(start, min(most, MOST)) if start else []
    if not days:
        return {"owner": spec.name, "days": [], "older": "", "acts": []}
    there = published(services.control, spec.name, days[-1], days[0])
    said = verdicts_on(services.control, spec.name, map(str, days))
    raw = RawPartitions.of(services.ledger.storage, spec)
    rows = [_day(services.ledger, raw, spec, each, there.get(each), said.get(str(each))) for each in days]
    before = spec.data.cadence.previous(days[-1])
    return {
        "owner": spec.name,
        "sources": list(spec.data.sources),
        "days": rows,
        "older": str(before) if spec.data.holds(before) else "",
        "acts": [row.to_json() for row in acts_on(services.control, spec.name, ACTS, SHOWN)],
    }


def _day(
    ledger: Ledger, raw: RawPartitions, spec: PartitionOwner, day: Partition, ref: Ref | None, said: KeptVerdict | None
) -> dict[str, Any]:
    verdict, why = (said, "") if said is not None else _of_published(ledger, ref)
    state, absent = ("published", list[str]()) if ref is not None else _unpublished(raw, spec, day, said)
    return {
        "day": str(day),
        "ends": day.end.isoformat(),
        "state": state,
        "words": WORDS[state],
        "absent": absent,
        "verdict": None if verdict is None else verdict.to_json(),
        "no_verdict": why if verdict is None and len(absent) < len(spec.data.sources) else "",
    }


def _unpublished(raw: RawPartitions, spec: PartitionOwner, day: Partition, said: KeptVerdict | None) -> tuple[str, list[str]]:
    """How far it is, and the sources that have not landed."""
    absent = [source for source in spec.data.sources if not raw.exists(source, day)]
    if said is not None and not said.passed:
        return "failed", absent
    if not absent:
        return "landed", absent
    return ("missing" if len(absent) == len(spec.data.sources) else "partly landed"), absent


def _of_published(ledger: Ledger, ref: Ref | None) -> tuple[KeptVerdict | None, str]:
    """Of a day that an earlier release judged: what its published features were made on. Else why it is not known."""
    if ref is None:
        return None, "no verdict on it was kept; slipstream quarantine reads the ledger for those of earlier releases"
    try:
        judged = ledger.request(ledger.resolve(ref).key).inputs.get("verdict")
        return (None, "it was published without a verdict") if judged is None else (KeptVerdict.of(ledger.resolve(judged)), "")
    except (DataError, IntegrityError, FileNotFoundError) as error:
        return None, f"its record cannot be read: {error}"
