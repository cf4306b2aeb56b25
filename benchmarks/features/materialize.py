"""Materialization: Feast's local engine beside ours, from one offline store into one online store; and the series of kills.

Both engines bring the same Parquet file online through `FeatureStore.materialize`, into our stores: what differs is how
rows travel. Ours reads every row back and compares it; Feast's does not.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String

from benchmarks.features.convergence import series
from benchmarks.features.line import Line
from benchmarks.features.stores import online_stores
from include.backends.feast.online import online_view
from include.online_store.open import open_online

ROWS, ROUNDS, TRIALS = 100_000, 3, 100
GOAL = 10.0  # times the rows a second of Feast's local engine
DAY = datetime(2013, 3, 1, tzinfo=UTC)
ENGINES = {"feast local": "local", "ours": "include.backends.feast.engine.SlipstreamEngine"}
TYPES = {"rate": Float64, "delay": Float64, "speed": Float64, "load": Float64, "seats": Int64, "grade": String}


def run() -> list[Line]:
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as scratch, online_stores(Path(scratch)) as urls:
        source = write_source(Path(scratch, "rows.parquet"), ROWS)
        lines = [line for name, url in urls.items() for line in throughput(Path(scratch), source, name, url)]
        return lines + [converged(name, url, TRIALS) for name, url in urls.items()]


def throughput(folder: Path, source: Path, name: str, url: str) -> Iterable[Line]:
    """Rows a second of both engines, in turns; the median of the rounds after a first one, in which both import what they use."""
    taken: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for number in range(1 + ROUNDS):
        for engine, type_ in ENGINES.items():
            store = open_store(folder, source, f"{name}_{type_.rpartition('.')[2]}_{number}".lower(), url, type_)
            gc.collect()  # what the other engine left behind is not this one's to clear away
            started = time.perf_counter()
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                store.materialize(DAY - timedelta(days=1), DAY + timedelta(days=1))
            taken[engine].append(time.perf_counter() - started)
            online = open_online(url).count(store.project, online_view(store.get_feature_view("carrier")))
            if online != ROWS:
                raise RuntimeError(f"{engine} brought {online} of {ROWS} rows online")
    rates = {engine: ROWS / median(seconds[1:]) for engine, seconds in taken.items()}
    ratio = rates["ours"] / rates["feast local"]
    for engine, rate in rates.items():
        yield Line(f"{ROWS:,} rows to {name}, {engine}", f"{rate:,.0f} rows/s")
    yield Line(f"{ROWS:,} rows to {name}, ours against feast's", f"{ratio:.1f} x", f">= {GOAL:.0f} x", ratio >= GOAL)


def converged(name: str, url: str, trials: int) -> Line:
    """Every key of every trial against the oracle."""
    done = list(series(url, trials))
    keys, wrong, killed = (sum(getattr(trial, field) for trial in done) for field in ("keys", "wrong", "killed"))
    what = f"{trials} orders, 4 processes, {killed} killed, {keys:,} keys, {name}"
    return Line(what, f"{wrong} wrong", "0 wrong", wrong == 0 and killed > 0)


def write_source(path: Path, rows: int) -> Path:
    chance = np.random.default_rng(1)
    columns = {name: chance.normal(size=rows) for name in ("rate", "delay", "speed", "load")}
    grades = np.array(["a", "b", None], dtype=object)[chance.integers(0, 3, rows)]
    times = pa.array([DAY.replace(tzinfo=None) + timedelta(seconds=n % 3600) for n in range(rows)], pa.timestamp("us", "UTC"))
    keys = [f"C{n:06d}" for n in range(rows)]
    table = {"carrier": keys, **columns, "seats": chance.integers(1, 400, rows), "grade": grades, "event_timestamp": times}
    pq.write_table(pa.table(table), path)
    return path


def open_store(folder: Path, source: Path, project: str, url: str, engine: str) -> FeatureStore:
    """A Feast repository of one view over the file, with our stores and the engine."""
    config = RepoConfig(
        project=project, provider="local", registry={"registry_type": "file", "path": str(folder / f"{project}.registry")},
        online_store={"type": "include.backends.feast.online.SlipstreamOnlineStore", "url": url},
        offline_store={"type": "include.backends.feast.offline.SlipstreamOfflineStore"},
        batch_engine={"type": engine}, entity_key_serialization_version=3,
    )  # fmt: skip
    store = FeatureStore(config=config)
    entity = Entity(name="carrier", join_keys=["carrier"], value_type=ValueType.STRING)
    schema = [Field(name="carrier", dtype=String), *(Field(name=name, dtype=dtype) for name, dtype in TYPES.items())]
    file = FileSource(name="rows", path=str(source), timestamp_field="event_timestamp")
    store.apply([entity, FeatureView(name="carrier", entities=[entity], schema=schema, ttl=timedelta(days=9999), source=file)])
    return store
