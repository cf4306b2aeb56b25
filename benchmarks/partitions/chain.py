"""The way of a partition: validate, features, training set, profile. Whatever comes out is right, or one of our errors."""

from __future__ import annotations

import math
import sys
import types
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.partitions.cases import Case
from benchmarks.partitions.columns import ROWS, Value
from include.backends.great_expectations.expectations import open_expectations
from include.core.errors import SlipstreamError
from include.core.spec import Feature, Features, View
from include.core.storage import LocalStorage
from include.data.raw import RawPartitions
from include.data.session import open_session
from include.data.sql import identifier
from include.features.features_step import datasets
from include.features.offline.dataset import write
from include.features.offline.sources import open_sources
from include.features.training_set_step import Window, build
from include.row_rules.expectation import Expectation, Suite
from include.validation.batch import Batch, open_database
from include.validation.propose import propose
from include.validation.scan import check_batch, scan_batch

DAYS = (date(2013, 1, 1), date(2013, 1, 2))
AS_OF = datetime.fromisoformat("2013-01-05")
HERE = "benchmarks_partitions_author"  # the module that stands for an author's
LOW, HIGH = -50, 50  # bounds of the quarantine rule for numbers

# How an author brings a column of each family into a feature.
SQL = {"number": "{}::DOUBLE", "text": "{}", "time": "epoch_us({}::TIMESTAMP)::DOUBLE", "flag": "{}::INT::DOUBLE"}


def run(case: Case, home: Path) -> str:
    """What is wrong with what came out; empty if nothing is, "refused" for a right refusal."""
    try:
        wrong = _walk(case, home)
    except SlipstreamError as error:
        return "refused" if case.may_be_refused else f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - what is none of our errors is the fault that is looked for
        return f"raw {type(error).__module__}.{type(error).__name__}: {error}"
    if wrong and case.damage == "flipped" and not _detectable(_place(_raw(home), "things", DAYS[1])):
        return "refused"  # a bit of the footer or of a page's header, which no checksum covers: the file says what it says
    return wrong


def _detectable(path: Path) -> bool:
    """Whether Arrow, asked to verify checksums, finds the damage."""
    try:
        pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        return True
    return False


def _raw(home: Path) -> RawPartitions:
    return RawPartitions(LocalStorage(home / "store"), "toy")


def _walk(case: Case, home: Path) -> str:
    raw = _raw(home)
    for number, day in enumerate(DAYS):
        case.write(number, _place(raw, "things", day))
        pq.write_table(_asked(number), _place(raw, "asks", day))
    _author(case)
    digests = {source: {day.isoformat(): raw.digest(source, day) for day in DAYS} for source in ("things", "asks")}
    return _validated(case, raw, digests, home) or _trained(case, raw, digests, home)


def _place(raw: RawPartitions, source: str, day: date) -> Path:
    path = Path(raw.storage.uri(raw.path(source, day)))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _asked(number: int) -> pa.Table:
    start = datetime.combine(DAYS[number], datetime.min.time())
    asked = [start + timedelta(hours=1 + n) for n in range(ROWS)]
    return pa.table(
        {
            "id": [f"{number}-{n}" for n in range(ROWS)],
            "asked": pa.array(asked, pa.timestamp("us")),
            "y": [n % 2 for n in range(ROWS)],
        }
    )


def rules(case: Case) -> tuple[Expectation, ...]:
    if case.family == "number":
        bounds = {"min_value": LOW, "max_value": HIGH}
        return (Expectation("ExpectColumnValuesToBeBetween", column=case.name, **bounds, on_failure="quarantine"),)
    return (Expectation("ExpectColumnValuesToNotBeNull", column=case.name, on_failure="quarantine"),)


def kept(case: Case, number: int, row: int) -> bool:
    """Whether the row breaks no quarantine rule."""
    worth = case.days[number].worth(row)
    if case.family == "number":
        exact = case.days[number].values[row]  # compared as it is, not as the double that a feature is
        return worth is None or LOW <= exact <= HIGH
    return worth is not None


def _author(case: Case) -> None:
    """The model's own module, as an author would have written it."""
    column = SQL[case.family].format(identifier(case.name))
    author = types.ModuleType(HERE)
    asks = "SELECT id AS request_id, asked AS event_timestamp, id AS customer FROM asks"
    view = f"SELECT id AS customer, TIMESTAMP '$day' AS event_timestamp, {column} AS x FROM today.things"
    author.views = lambda day: {"v": view.replace("$day", str(day))}  # type: ignore[attr-defined]
    author.entities = lambda: asks  # type: ignore[attr-defined]
    told = "SELECT id AS request_id, y AS late, asked + INTERVAL 1 MINUTE AS label_timestamp FROM asks"
    author.labels = lambda: told  # type: ignore[attr-defined]
    author.EXPECTATIONS = {"things": Suite(rules(case), quarantine_limit=1.0)}  # type: ignore[attr-defined]
    sys.modules[HERE] = author


def _validated(case: Case, raw: RawPartitions, digests: dict[str, dict[str, str]], home: Path) -> str:
    """Both ways of judging agree with the oracle; the quarantine holds the rows that it should; the proposal passes."""
    for number, day in enumerate(DAYS):
        path = raw.fetch("things", day, digests["things"][day.isoformat()], home / "validate")
        batch, suite, runner = Batch("things", path, open_database()), Suite(rules(case)), open_expectations()
        batch.check_schema(suite.rules)
        good = sum(kept(case, number, row) for row in range(ROWS))
        for way, judge in (("whole", check_batch), ("scan", scan_batch)):
            (check,) = judge(way, batch, suite.rules, runner)
            if check.success != (good == ROWS):
                return f"validate ({way}) of {day}: success is {check.success}, and {good} of {ROWS} rows are good"
        found = batch.quarantine(suite.rules, home / f"bad-{number}.parquet")
        if found != ROWS - good:
            return f"quarantine of {day}: {found} rows, and {ROWS - good} are bad"
        if wrong := _proposal(batch, home):
            return wrong
    return ""


def _proposal(batch: Batch, home: Path) -> str:
    text = propose(batch, "things")
    names: dict[str, Any] = {}
    try:
        exec(compile(text, "proposed.py", "exec"), names)
    except Exception as error:  # noqa: BLE001
        return f"the proposal is no Python: {error}\n{text}"
    suite = names["EXPECTATIONS"]["things"]
    for way, judge in (("whole", check_batch), ("scan", scan_batch)):
        broken = [str(check.expectation) for check in judge(way, batch, suite.rules, open_expectations()) if not check.success]
        if broken:
            return f"the proposal is broken by its own partition ({way}): {broken}"
    return "" if batch.quarantine(suite.rules, home / "proposed.parquet") == 0 else "the proposal sets rows aside"


def _trained(case: Case, raw: RawPartitions, digests: dict[str, dict[str, str]], home: Path) -> str:
    feature = Feature(name="x", dtype="category" if case.family == "text" else "float")
    view = View(name="v", keys=("customer",), features=(feature,))
    features = Features(build=f"{HERE}:views", entities=f"{HERE}:entities", labels=f"{HERE}:labels", views=(view,))
    files: dict[str, list[str]] = {}
    for number, day in enumerate(DAYS):
        seen = {source: {d: digest for d, digest in held.items() if d <= day.isoformat()} for source, held in digests.items()}
        folder = home / f"features-{number}"
        folder.mkdir()
        paths = {name: folder / f"{name}.parquet" for name in ("v", "entities", "labels")}
        with open_sources(raw, seen, day, f"{HERE}:EXPECTATIONS", home / f"raw-{number}", [*paths.values()]) as connection:
            for dataset, sql in datasets(features, day, connection, {}):
                write(connection, dataset, sql, day, path := paths[dataset.name])
                files.setdefault(dataset.name, []).append(str(path))
    with open_session() as connection:
        build(connection, features, Window(AS_OF, 30, 1, 1, "late"), files, home)
    for name, number in (("train", 0), ("holdout", 1)):
        table = pq.read_table(home / f"{name}.parquet")
        found = dict(zip(table["request_id"].to_pylist(), table["x"].to_pylist(), strict=True))
        for row in range(ROWS):
            wanted = case.days[number].worth(row) if kept(case, number, row) else None
            if not _equal(found[f"{number}-{row}"], wanted):
                return f"{name}: row {row} is {found[f'{number}-{row}']!r}, and {wanted!r} was written"
    return ""


def _equal(found: Any, wanted: Value) -> bool:
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return wanted is None
    return bool(found == wanted)
