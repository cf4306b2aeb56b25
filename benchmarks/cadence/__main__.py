"""`make bench AREA=cadence`: flight_delay's features by the hour beside by the day, each taken in as one range of this machine.

Goals: the same training set to the byte, the same rows online, an hour's partition at no more than the cost of a day's and
WEIGHT kilobytes, a look at all of them in the control store in LOOK seconds. DAYS takes other sizes than the year of 364 days.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.cadence.hours import land_hours
from benchmarks.cadence.models.flight_delay.spec import SPEC as HOURLY
from benchmarks.features_range.days import FIRST, Unsynced, land_days, last_of
from benchmarks.table import Table
from include.core.control import ControlStore
from include.core.environment import MODELS
from include.core.ledger import Ledger
from include.core.request import Result
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.task import perform
from include.core.time import start_of_day
from include.data.published import extent, published
from include.features.request import training_set_request
from include.model_contract.definition import present_views
from include.models.flight_delay.spec import SPEC as DAILY
from include.online_store.open import open_online
from include.ranges.span import Span
from include.ranges.take_in import Range, take_in

DAYS = int(os.environ.get("DAYS", "364"))
WINDOW = min(DAYS, 180)  # days of the training set, as of the spec
WEIGHT, LOOK = 250.0, 2.0
MODEL_PLACES = {"day": "include.models", "hour": "benchmarks.cadence.models"}


@dataclass(frozen=True)
class Taken:
    """What a range of one cadence came to."""

    settings: Settings
    partitions: int
    seconds: float
    kilobytes: float  # of its results, a partition
    training_set: Result
    training_seconds: float
    look: float  # seconds that the list of all published partitions takes


def main() -> int:
    table = Table()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        home = Path(folder)
        roots = {name: home / name / "store" for name in MODEL_PLACES}
        land_days(roots["day"], DAYS)
        landed = land_hours(Unsynced(roots["day"]), Unsynced(roots["hour"]), FIRST, last_of(DAYS), HOURLY.data.cadence)
        table.head(f"{DAYS:,} days of flight_delay by the day and by the hour; {landed:,} raw files of hours")
        day, hour = (_taken(name, spec, home / name) for name, spec in (("day", DAILY), ("hour", HOURLY)))
        _print(table, day, hour)
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "all goals met")
    return int(bool(table.missed))


def _print(table: Table, day: Taken, hour: Taken) -> None:
    for name, each in (("day", day), ("hour", hour)):
        table.row(f"by the {name}: {each.partitions:,} partitions, a second", each.partitions / each.seconds, "partitions/s")
        table.row(f"by the {name}: results of a partition", each.kilobytes, "KiB", most=WEIGHT if name == "hour" else None)
        table.row(f"by the {name}: a training set of {WINDOW} days", each.training_seconds, "s")
    cost = (hour.seconds / hour.partitions) / (day.seconds / day.partitions)
    table.row("an hour's partition against a day's", cost, "times", most=1.0)
    table.row(f"all {hour.partitions:,} hours, listed from the control store", hour.look, "s", most=LOOK)
    same = _digests(day.training_set) == _digests(hour.training_set)
    rows = f"{day.training_set.value['rows']:,} and {hour.training_set.value['rows']:,} rows"
    table.line("the training sets", f"{rows}, {'the same' if same else 'other'} bytes", "the same", same)
    served, other = _online(day, DAILY), _online(hour, HOURLY)
    known = sum(values is not None for each in served.values() for _, values in each)
    words = f"{known:,} of {sum(map(len, served.values())):,} keys known, {'the same' if served == other else 'other'} values"
    table.line("what serving reads online", words, "the same", served == other and known > 0)


def _taken(name: str, spec: ModelSpec, home: Path) -> Taken:
    os.environ[MODELS.name] = MODEL_PLACES[name]
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home), MODELS.name: MODEL_PLACES[name]})
    control, ledger = ControlStore(settings.control_url), Ledger(settings.storage())
    control.create_tables()
    store = open_online(settings.online_url)
    span = Span.of(str(FIRST), str(last_of(DAYS)), spec.data.cadence)
    started = time.monotonic()
    take_in(Range(spec, span, ledger, control, settings, lambda: store, run=name, holder=name, say=_quiet, warn=_quiet))
    seconds = time.monotonic() - started
    newest, count = extent(control, spec.name)
    assert newest is not None
    started = time.monotonic()
    found = published(control, spec.name, date.min, date.max)
    look = time.monotonic() - started
    assert len(found) == count == len(span.days)
    started = time.monotonic()
    training_set = _training_set(spec, ledger, control, settings)
    held = sum(path.stat().st_size for path in (Path(settings.root) / "ledger").rglob("*") if path.is_file())
    return Taken(settings, count, seconds, held / count / 1024, training_set, time.monotonic() - started, look)


def _training_set(spec: ModelSpec, ledger: Ledger, control: ControlStore, settings: Settings) -> Result:
    as_of: datetime = start_of_day(last_of(DAYS)) + timedelta(days=1)
    asked = training_set_request(spec, as_of, control, window_days=WINDOW)
    if spec.training.holdout_days > DAYS:  # a trial
        asked.params.update(holdout_days=1, minimum_rows=10)  # type: ignore[attr-defined]  # a dict
    ledger.record(asked)
    return perform(asked, ledger.open_attempt(asked.key, 0), ledger, settings)


def _digests(result: Result) -> Mapping[str, str]:
    return {name: file.digest for name, file in result.files.items()}


def _online(taken: Taken, spec: ModelSpec) -> dict[str, list[Any]]:
    """By view what serving reads for every key of the training set, each view in the version of this cadence."""
    store, ledger = open_online(taken.settings.online_url), Ledger(taken.settings.storage())
    found: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [ledger.fetch(taken.training_set, name, Path(folder)) for name in sorted(taken.training_set.files)]
        rows = pa.concat_tables([pq.read_table(path) for path in files])
    for view in present_views(spec.features):
        keys = sorted({tuple(row.values()) for row in rows.select(list(view.keys)).to_pylist() if None not in row.values()})
        found[view.name] = [*zip(keys, store.read(spec.name, view, keys), strict=True)]
    return found


def _quiet(words: str) -> None:
    del words


if __name__ == "__main__":
    raise SystemExit(main())
