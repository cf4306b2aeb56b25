"""The point-in-time join beside Feast's stock duckdb store and beside a bare ASOF query written by hand.

Each side runs in a process of its own, over the same files. Ours and the bare query read the entity rows from
Parquet and write the joined rows as Parquet; beside the stock store, which takes a DataFrame, so does ours.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.features.flights import VIEWS, Table, write
from benchmarks.features.line import Line

ROUNDS = 5
STOCK_ROWS = (20_000, 50_000)
YEARS = 30
GOAL_RATIO, GOAL_STOCK, GOAL_GROWTH, GOAL_SMALL_MB, GOAL_BIG_MB = 1.3, 50, 1.3, 1000, 4000
# Feast's extra `duckdb`, which the project does without: it joins the stock side alone, from a folder of its own.
PEER = ("ibis-framework==12.0.0", "sqlglot==30.30.0", "atpublic==9.0.0", "parsy==2.2", "toolz==1.2.0", "pyarrow-hotfix==0.7")
OURS = "include.backends.feast.offline.SlipstreamOfflineStore"
Measured = dict[str, float]


def run() -> list[Line]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, years, late in (("year", 1, 0.0), ("late", 1, 0.01), ("years", YEARS, 0.0)):
            write(folder / name, years, late)
        return [*_beside_stock(folder / "year"), *_beside_bare(folder), *_many_rows(folder)]


def _beside_stock(folder: Path) -> list[Line]:
    lines, peer = [], folder / "peer"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(peer), *PEER]
    subprocess.run([sys.executable, *install], check=True, stderr=subprocess.DEVNULL)
    for rows in STOCK_ROWS:
        stock, ours = child("frame", folder, "duckdb", rows, path=peer), child("frame", folder, OURS, rows)
        times = stock["seconds"] / ours["seconds"]
        size = f"{rows:,} rows x 4 views, frame to frame: "
        lines.append(Line(f"{size}Feast's stock duckdb store", f"{stock['seconds']:.2f} s {stock['mb']:.0f} MB"))
        lines.append(Line(f"{size}ours", f"{ours['seconds']:.3f} s {ours['mb']:.0f} MB"))
        lines.append(Line(f"{size}faster than stock", f"{times:.0f} x", f">= {GOAL_STOCK} x", times >= GOAL_STOCK))
        lines.append(Line(f"{size}rows that differ", f"{ours['differ']:.0f}", "0", ours["differ"] == 0))
    return lines


def _beside_bare(folder: Path) -> list[Line]:
    lines = []
    for name, what in (("year", ""), ("late", ", 1 % of the view rows a day late")):
        both, alone = child("both", folder / name), child("files", folder / name)
        size = f"{both['rows']:,.0f} rows x 4 views{what}: "
        ratio, goal = both["ours"] / both["bare"], name == "year"
        lines.append(Line(f"{size}bare ASOF query", f"{both['bare']:.2f} s (CPU {both['bare_cpu']:.2f})"))
        lines.append(Line(f"{size}ours", f"{both['ours']:.2f} s (CPU {both['ours_cpu']:.2f})"))
        lines.append(
            Line(f"{size}ours / bare", f"{ratio:.2f}", f"<= {GOAL_RATIO}" if goal else "", ratio <= GOAL_RATIO if goal else None)
        )
        lines.append(
            Line(f"{size}memory, Feast included", f"{alone['mb']:.0f} MB", f"< {GOAL_SMALL_MB} MB", alone["mb"] < GOAL_SMALL_MB)
        )
        if goal:
            lines.append(Line(f"{size}rows that differ from the bare query's", f"{both['differ']:.0f}", "0", both["differ"] == 0))
    return lines


def _many_rows(folder: Path) -> list[Line]:
    before, big, after = (child("files", folder / name) for name in ("year", "years", "year"))
    small = {key: (before[key] + after[key]) / 2 for key in before}

    def growth(key: str) -> float:
        return (big[key] / big["rows"]) / (small[key] / small["rows"])

    size = f"{big['rows']:,.0f} rows x 4 views: "
    return [
        Line(f"{size}ours", f"{big['seconds']:.1f} s (CPU {big['cpu']:.0f})"),
        Line(f"{size}memory, Feast included", f"{big['mb']:.0f} MB", f"< {GOAL_BIG_MB} MB", big["mb"] < GOAL_BIG_MB),
        Line(
            f"{size}time per row / that of {small['rows']:,.0f} rows",
            f"{growth('seconds'):.2f}",
            f"< {GOAL_GROWTH}",
            growth("seconds") < GOAL_GROWTH,
        ),
        Line(f"{size}the same in CPU time", f"{growth('cpu'):.2f}"),
    ]


# -- one side, in a process of its own --------------------------------------------------------------------------------


def child(what: str, *arguments: object, path: Path | None = None) -> Measured:
    """Runs one side; `path` holds further packages."""
    command = [sys.executable, "-m", "benchmarks.features.join", what, *map(str, arguments)]
    env = {**os.environ, "FEAST_USAGE": "false", **({"PYTHONPATH": str(path)} if path else {})}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    return measured


def frame(folder: Path, store: str, rows: str) -> Measured:
    """From a DataFrame of entity rows to a DataFrame with features, through get_historical_features."""
    feast, features = open_store(folder, store)
    sql = f"FROM '{folder}/entities/*.parquet' ORDER BY hash(request_id) LIMIT {rows}"
    entities = (
        duckdb.connect().sql(f"SELECT * EXCLUDE (event_timestamp), event_timestamp::TIMESTAMPTZ AS event_timestamp {sql}").df()
    )
    took = []
    for _ in range(ROUNDS if store == OURS else 1):
        seconds, _, found = timed(lambda: feast.get_historical_features(entity_df=entities, features=features).to_df())
        took.append(seconds)
    connection, answer = duckdb.connect(), found[["request_id", *(name for view in VIEWS for name in view.features)]]
    other = folder / f"stock-{rows}.parquet"
    differ = 0
    if store == OURS:
        connection.register("answer", answer)
        differ = _differing(connection, "answer", f"'{other}'")
    else:
        answer.to_parquet(other)
    return {"seconds": min(took), "mb": peak_mb(), "differ": differ}


def files(folder: Path) -> Measured:
    """From entity rows in Parquet to joined rows in Parquet, through get_historical_features."""
    feast, features = open_store(folder, OURS)
    seconds, cpu, _ = timed(lambda: persist(feast, features, folder))
    rows = duckdb.execute(f"SELECT count(*) FROM '{folder}/ours/*.parquet'").fetchall()[0][0]
    return {"seconds": seconds, "cpu": cpu, "mb": peak_mb(), "rows": rows}


def both(folder: Path) -> Measured:
    """The same and the bare query in turns: the least of each."""
    feast, features = open_store(folder, OURS)
    ours, bare = [], []
    for _ in range(ROUNDS):
        bare.append(timed(lambda: duckdb.connect().execute(f"COPY ({bare_query(folder)}) TO '{folder}/bare.parquet'"))[:2])
        ours.append(timed(lambda: persist(feast, features, folder))[:2])
    connection = duckdb.connect()
    (rows,) = connection.execute(f"SELECT count(*) FROM '{folder}/ours/*.parquet'").fetchall()[0]
    differ = _differing(connection, f"'{folder}/ours/*.parquet'", f"'{folder}/bare.parquet'")
    least = {"ours": min(ours)[0], "ours_cpu": min(o[1] for o in ours), "bare": min(bare)[0], "bare_cpu": min(b[1] for b in bare)}
    return {**least, "rows": rows, "differ": differ}


def _differing(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> int:
    """Rows of one that the other has not, floats to 12 digits (the stock store's frame gives integers as floats)."""
    rounded = [f"round({name}::DOUBLE, 9)" if name != "engine" else name for view in VIEWS for name in view.features]
    columns = ", ".join(("request_id", *rounded))
    missing = f"(SELECT {columns} FROM {one}) EXCEPT ALL (SELECT {columns} FROM {other})"
    return int(connection.execute(f"SELECT count(*) FROM ({missing})").fetchall()[0][0])


def persist(feast: Any, features: list[str], folder: Path) -> None:
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    job = feast.get_historical_features(entity_df=f"FROM '{folder}/entities/*.parquet'", features=features)
    job.persist(SavedDatasetFileStorage(path=str(folder / "ours")), allow_overwrite=True)


def bare_query(folder: Path) -> str:
    def value(view: Table, name: str) -> str:
        if view.ttl is None:
            return f"{view.name}.{name}"
        old = f"entity.event_timestamp - {view.name}.event_timestamp > INTERVAL {int(view.ttl.total_seconds())} SECOND"
        return f"CASE WHEN NOT ({old}) THEN {view.name}.{name} END AS {name}"

    joins = []
    for view in VIEWS:
        equal = " AND ".join(f"entity.{key} = {view.name}.{key}" for key in view.keys)
        on = f"{equal} AND entity.event_timestamp >= {view.name}.event_timestamp"
        joins.append(f"ASOF LEFT JOIN '{folder}/{view.name}/*.parquet' AS {view.name} ON {on}")
    values = ", ".join(value(view, name) for view in VIEWS for name in view.features)
    return f"SELECT entity.*, {values} FROM '{folder}/entities/*.parquet' AS entity {' '.join(joins)}"


def open_store(folder: Path, kind: str) -> tuple[Any, list[str]]:
    """A Feast store with the four views over the folder's files, and the names of all their features."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64, Int64, String

    def field(name: str) -> Any:
        if name.endswith("_flights"):
            return Field(name=name, dtype=Int64)
        return Field(name=name, dtype=String if name == "engine" else Float64)

    registry = Path(tempfile.mkdtemp(dir=folder)) / "registry.db"
    config = RepoConfig(
        project="flights", provider="local", registry=str(registry), offline_store={"type": kind},
        online_store={"type": "sqlite", "path": str(registry.parent / "online.db")}, entity_key_serialization_version=3,
    )  # fmt: skip
    store = FeatureStore(config=config)
    entities = {key: Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for view in VIEWS for key in view.keys}
    views = [
        FeatureView(
            name=view.name,
            entities=[entities[key] for key in view.keys],
            schema=[*(Field(name=key, dtype=String) for key in view.keys), *map(field, view.features)],
            ttl=view.ttl,
            source=FileSource(
                name=view.name, path=str(folder / view.name / "*.parquet"),
                timestamp_field="event_timestamp", created_timestamp_column="created",
            ),
        )
        for view in VIEWS
    ]  # fmt: skip
    store.apply([*entities.values(), *views])
    return store, [f"{view.name}:{name}" for view in VIEWS for name in view.features]


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """(seconds, CPU seconds of all threads, result)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    sides: dict[str, Callable[..., Measured]] = {"frame": frame, "files": files, "both": both}
    side = sides[sys.argv[1]]
    print(json.dumps(side(Path(sys.argv[2]), *sys.argv[3:])))
