"""What the prediction log says of a time: the requests of each entity, and the outcomes that callers reported of them.

Of several requests with one id the first written counts, as everywhere (include/prediction_log/first.py), and an id that several
entities were asked about counts for none. Of several outcomes of one name and request the first written counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from include.core.errors import DataError
from include.core.time import parse_time, precise
from include.prediction_log.reader import read_records
from include.prediction_log.record import OUTCOME, PREDICTION, Record
from include.prediction_log.shared import Where

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None), timedelta(microseconds=1)

LARGEST = 1e100


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


def hear(where: Where, model: str, metrics: Collection[str], since: datetime, cutoff: datetime) -> Heard:
    """From `since` to `cutoff` (UTC, without zone), by the moment of writing: a later reading finds the same."""
    heard = Heard(outcomes={name: {} for name in metrics})
    last, asked = precise(cutoff.replace(tzinfo=UTC)), dict[tuple[str, str], Asked]()
    for record in read_records(where, model, since.isoformat()):
        if record.at > last:
            continue
        if record.kind == PREDICTION:
            _ask(asked, record)
        elif record.kind == OUTCOME and record.metric in heard.outcomes and record.label is not None:
            _report(heard, record)
    entities = Counter(request for request, _ in asked)
    heard.asked = {request: one for (request, _), one in asked.items() if entities[request] == 1}
    heard.contested = sum(1 for many in entities.values() if many > 1)
    return heard


def microseconds(moment: datetime) -> int:
    """Since 1970, of a moment in UTC without zone."""
    return (moment - _EPOCH) // _MICROSECOND


def _ask(asked: dict[tuple[str, str], Asked], record: Record) -> None:
    at, who = _at(record), (record.id, record.unit)
    if at is not None and (who not in asked or at < asked[who].at):
        asked[who] = Asked(at, record.unit, record.arm, record.experiment)


def _report(heard: Heard, record: Record) -> None:
    at, known = _at(record), heard.outcomes[record.metric]
    if at is None or record.label is None:
        return
    if not abs(record.label) <= LARGEST:
        heard.unusable += 1
        return
    before = known.get(record.id)
    heard.repeated += before is not None
    if before is None or at < before.at:
        known[record.id] = Reported(at, record.label)


def _at(record: Record) -> int | None:
    """None for a line that names no moment: nobody can tell whether it belongs to the time."""
    try:
        return microseconds(parse_time(record.at))
    except DataError:
        return None
