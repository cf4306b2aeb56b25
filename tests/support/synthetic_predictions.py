"""A small model, its training set, and predictions of it: everything random is seeded."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request
from include.core.settings import Settings
from include.core.spec import Data, Feature, Features, ModelSpec, Training, View
from include.data.window import moment

START = moment("2013-01-01")
MADE = moment("2013-04-02")  # 13 weeks later
CARRIERS = ("AA", "B6", "DL", "UA")


def spec(**changes: Any) -> ModelSpec:
    view = View(name="weather", keys=("origin",), features=(Feature(name="temp"), Feature(name="precip")))
    request = (Feature(name="hour", dtype="int"), Feature(name="carrier_code", dtype="category"))
    values: dict[str, Any] = {
        "name": "late_small",
        "owner": "tests",
        "description": "small",
        "label": "late",
        "data": Data(sources=("flights",), first=date(2013, 1, 1)),
        "features": Features(build="a.b:c", entities="a.b:d", labels="a.b:e", views=(view,), request=request),
        "expectations": "a.b:f",
        "training": Training(fit="a.b:g"),
    }
    return ModelSpec(**{**values, **changes})


INPUTS = spec().features.inputs


def rows(start: datetime, days: int, per_day: int = 100, seed: int = 0, wobble: float = 0.1) -> pa.Table:
    """Rows of a world that does not drift: each week's means wobble by `wobble` standard deviations."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    offset = np.sort(rng.integers(0, days * 86_400_000_000, n))
    week = offset // (7 * 86_400_000_000)
    temp = 50 + 10 * (rng.normal(size=n) + wobble * rng.normal(size=week.max() + 1)[week])
    precip = np.where(rng.random(n) < 0.9, 0.0, rng.exponential(0.2, n))
    temp[rng.random(n) < 0.02] = np.nan
    score = 1 / (1 + np.exp(-(rng.normal(size=n) - 1 + (np.nan_to_num(temp, nan=50) - 50) / 10)))
    return pa.table(
        {
            "request_id": [f"{start:%m%d}-{seed}-{i}" for i in range(n)],
            "event_timestamp": pa.array(np.datetime64(start, "us") + offset, pa.timestamp("us")),
            "temp": temp,
            "precip": precip,
            "hour": rng.integers(5, 23, n),
            "carrier_code": pa.array([CARRIERS[i] for i in rng.choice(4, n, p=(0.1, 0.2, 0.3, 0.4))]),
            "late": pa.array((rng.random(n) < score).astype(np.int8)),
            "score": score,
        }
    )


def training(per_day: int = 100, seed: int = 1) -> pa.Table:
    return rows(START, (MADE - START).days, per_day, seed).drop_columns("score")


def predictions(table: pa.Table, version: int = 1) -> pa.Table:
    """The file that `collect` writes, for rows of `rows`: everything labelled."""
    n = table.num_rows
    out = table.rename_columns({"event_timestamp": "event_time", "late": "label"})
    out = out.append_column("version", pa.array([version] * n, pa.int32())).append_column("degraded", pa.array([False] * n))
    return out.append_column("arm", pa.array(["champion"] * n)).append_column("label_timestamp", out["event_time"])


def beside(table: pa.Table, earlier: pa.Table | None = None, shadow: pa.Table | None = None) -> dict[str, pa.Table | bytes]:
    """The files of `collect`: by default nothing was open before, and no shadow ran."""
    names = ["request_id", "event_time", "version", "score", "label"]
    pairs = table.select(names).append_column("answered", table["score"]).append_column("answered_by", table["version"])
    return {
        "predictions.parquet": table,
        "earlier.parquet": table.slice(0, 0) if earlier is None else earlier,
        "shadow.parquet": pairs.slice(0, 0) if shadow is None else shadow,
    }


def put(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def collected(table: pa.Table, **changes: Any) -> dict[str, Any]:
    """The value of a `collect` result for a table of predictions."""
    value = {
        "window": "2013-04-02/2013-04-09",
        "as_of": "2013-04-09T00:00:00",
        "rows": table.num_rows,
        "duplicates": 0,
        "degraded": 0,
        "labelled": table.num_rows,
        "labels_corrected": 0,
        "labels_contradicting": 0,
        "labels_of_unknown_requests": 0,
        "versions": {"1": table.num_rows},
        "absent_columns": [],
        "unexpected_columns": [],
    }
    return {**value, **changes}


def record(identity: str, event_time: str, **changes: Any) -> dict[str, Any]:
    """A line of the gateway's log."""
    features = {"temp": 40.5, "precip": None, "hour": 7.0, "carrier_code": "UA"}
    base = {"kind": "prediction", "id": identity, "at": f"2026-01-01T00:00:{len(identity):02d}.000000+00:00"}
    values = {"event_time": event_time, "features": features, "version": 1, "arm": "champion", "score": 0.25, "latency_us": 80.0}
    return {**base, **values, **changes}


def write_log(settings: Settings, records: list[dict[str, Any]], name: str = "a.jsonl", tail: str = "") -> Path:
    path = settings.home / "predictions" / "late_small" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in records) + tail)
    return path


def commit(ledger: Ledger, step: str, value: dict[str, Any], tables: dict[str, pa.Table | bytes], folder: Path) -> Ref:
    """A result in the ledger, as if its step had made it."""
    folder = folder / f"{step}-{len(list(folder.iterdir()))}"
    folder.mkdir()
    files = {name: folder / name for name in tables}
    for name, content in tables.items():
        if isinstance(content, bytes):
            files[name].write_bytes(content)
        else:
            pq.write_table(content, files[name])
    request = Request(step, "tests:none", "late_small", {"folder": str(folder)})
    result = ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome(value, files), 0.0)
    return ledger.ref(result)


def labels(pairs: list[tuple[str, int | None, datetime]]) -> pa.Table:
    names = ("request_id", "late", "label_timestamp")
    types = (pa.string(), pa.int8(), pa.timestamp("us"))
    columns = zip(*pairs, strict=True) if pairs else ((), (), ())
    return pa.table({name: pa.array(column, kind) for name, kind, column in zip(names, types, columns, strict=True)})
