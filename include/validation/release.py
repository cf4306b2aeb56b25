"""Which rows of a quarantine today's rules would let through, and which partitions are to be made again to release them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.time import MICROSECOND
from include.row_rules.expectation import load_suite
from include.validation.quarantine import QuarantinedRows, reasons, would_pass


@dataclass(frozen=True)
class Looked:
    """A source's quarantine of a day, read. `passing`: rows that break none of today's rules. `reasons`: the commonest first."""

    held: QuarantinedRows
    passing: int
    reasons: Sequence[tuple[str, int]]

    def to_json(self) -> dict[str, object]:
        counts = {"rows": self.held.rows, "quarantined": self.held.quarantined, "would_pass": self.passing}
        said = [{"reason": reason, "rows": count} for reason, count in self.reasons]
        return {"day": self.held.day, "source": self.held.source, **counts, "reasons": said}

    @property
    def row(self) -> tuple[object, ...]:
        return self.held.day, self.held.source, self.held.rows, self.held.quarantined, self.passing, self.reasons[0][0]


def look(ledger: Ledger, spec: PartitionOwner, held: QuarantinedRows) -> Looked:
    """Reads the quarantine's file."""
    with TemporaryDirectory() as folder:
        path = ledger.fetch(held.result, held.file, Path(folder))
        return Looked(held, would_pass(path, load_suite(spec.expectations, held.source).rules), reasons(path))


def release_of(spec: PartitionOwner, looked: Sequence[Looked]) -> Mapping[str, Partition] | None:
    """The first and the last partition that are made again: those with rows that pass, and later ones that have read them too.
    None where no row passes."""
    days = [spec.data.cadence.parse(each.held.day) for each in looked if each.passing]
    if not days:
        return None
    data = spec.data
    until = data.cadence.reading_until(max(days), timedelta(days=data.lookback_days))
    last = data.cadence.at(until - MICROSECOND)
    return {"first": min(days), "last": last if data.last is None else min(last, data.latest(data.last))}
