"""What the prediction log says of a time: the requests of each entity, and the outcomes that callers reported of them.

Of several requests with one id the first written counts, as everywhere (include/prediction_log/first.py), and an id that several
entities were asked about counts for none. Of several outcomes of one name and request the first written counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from include.core.errors import DataError
from include.core.spec import Metric
from include.core.time import microseconds, parse_time, precise
from include.prediction_log.reader import read_records
from include.prediction_log.record import OUTCOME, PREDICTION, Record
from include.prediction_log.shared import Where

LARGEST = 1e100


class TableRow(NamedTuple):
    """What a metric's table says of a request. `at`: UTC, without zone."""

    request: str
    at: datetime
    value: float


Tables = Callable[[Metric, datetime, datetime], Iterable[TableRow]]
"""The rows of a metric's table of a time, from the sources' partitions. Raises NotReadyError where a day of it has not landed."""


class Asked(NamedTuple):
    """A request. `at`: microseconds since 1970."""

    at: int
    unit: str
    arm: str
    experiment: str


class Reported(NamedTuple):
    """An outcome, by the moment at which it came."""

    at: int
    value: float


@dataclass
class Heard:
    """`asked` by request id; `outcomes` by metric, then by request id."""

    asked: dict[str, Asked] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Reported]] = field(default_factory=dict)
    contested: int = 0
    repeated: int = 0
    unusable: int = 0  # outcomes whose value is no number that can be squared


def hear(
    where: Where, model: str, metrics: Collection[Metric], since: datetime, cutoff: datetime, tables: Tables | None = None
) -> Heard:
    """From `since` to `cutoff` (UTC, without zone), by the moment of writing: a later reading finds the same.

    `tables` reads what metrics of tables say. Raises DataError where it is needed and is None.
    """
    heard = Heard(outcomes={metric.name: {} for metric in metrics})
    told = {metric.name for metric in metrics if not metric.table}
    for metric in metrics:  # first: a day that has not landed is known before the log is read
        if metric.table:
            _read(heard, metric, since, cutoff, tables)
    last, asked = precise(cutoff.replace(tzinfo=UTC)), dict[tuple[str, str], Asked]()
    for record in read_records(where, model, since.isoformat()):
        if record.at > last:
            continue
        if record.kind == PREDICTION:
            _ask(asked, record)
        elif record.kind == OUTCOME and record.metric in told:
            _report(heard, record)
    entities = Counter(request for request, _ in asked)
    heard.asked = {request: one for (request, _), one in asked.items() if entities[request] == 1}
    heard.contested = sum(1 for many in entities.values() if many > 1)
    return heard


def _ask(asked: dict[tuple[str, str], Asked], record: Record) -> None:
    at, who = _at(record), (record.id, record.unit)
    if at is not None and (who not in asked or at < asked[who].at):
        asked[who] = Asked(at, record.unit, record.arm, record.experiment)


def _report(heard: Heard, record: Record) -> None:
    at = _at(record)
    if at is not None and record.label is not None:
        _keep(heard, record.metric, record.id, Reported(at, record.label))


def _read(heard: Heard, metric: Metric, since: datetime, cutoff: datetime, tables: Tables | None) -> None:
    if tables is None:
        raise DataError(f"The metric {metric.name} is of a table, and nothing was given that reads it.")
    for row in tables(metric, since, cutoff):
        if since <= row.at <= cutoff:
            _keep(heard, metric.name, row.request, Reported(microseconds(row.at), row.value))


def _keep(heard: Heard, metric: str, request: str, report: Reported) -> None:
    if not abs(report.value) <= LARGEST:
        heard.unusable += 1
        return
    known = heard.outcomes[metric]
    before = known.get(request)
    heard.repeated += before is not None
    if before is None or report.at < before.at:
        known[request] = report


def _at(record: Record) -> int | None:
    """None for a line that names no moment: nobody can tell whether it belongs to the time."""
    try:
        return microseconds(parse_time(record.at))
    except DataError:
        return None
