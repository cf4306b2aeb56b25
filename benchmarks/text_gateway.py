"""`python -m benchmarks.text_gateway`: a model that reads text, behind the gateway, at 1,000 requests a second.

The case `text`: its own fit on 8,000 reviews, its garments' features in SQLite; one worker, the log and all other duties on. The
load is open: Poisson arrivals over 64 connections, latency counted from when a request was due, the generator on the same two
cores. Goal: P95 under 50 ms, every request answered.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.cases.fitted import Fitted, fit
from benchmarks.gateway.open_loop import generate
from benchmarks.served_case import ServedCase
from benchmarks.table import Table
from examples.models.text.raw_days import reviews
from examples.models.text.spec import SPEC

FITTED, ASKED = 8000, 4000
RATE, SECONDS, GOAL_MS = 1000.0, 20.0, 50.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="slipstream-text-") as folder:
        home, rows = Path(folder), _rows()
        case = ServedCase(home / "home", SPEC)
        fitted = fit(SPEC, rows[:FITTED], home / "fit")
        case.publish({"model.onnx": fitted.path}, fitted.encoder)
        garments = pc.unique(rows["clothing_id"]).to_pylist()
        case.write(
            "garment",
            {"clothing_id": garments, "garment_stars": [4.2] * len(garments), "garment_reviews": [5.0] * len(garments)},
        )
        table.head(f"{SPEC.name}: {options.rate:,.0f} requests a second for {options.seconds:g} s, one worker")
        _size(table, fitted)
        with case:
            bodies = _bodies(rows[FITTED : FITTED + ASKED])
            url = f"{case.url}/predict/{SPEC.name}"
            generate(url, bodies, home, min(200.0, options.rate), 2.0)  # warms what is to be warm
            report = generate(url, bodies, home, options.rate, options.seconds)
        latency = np.fromfile(home / "outcomes").reshape(-1, 3)[:, 1] * 1e3
    table.row("the generator's own lag, p99, which is counted", report["lag99"], "ms")
    table.row("answered", report["good"], "requests")
    table.row("not answered, or refused", report["bad"] + report["refused"], "requests", most=0)
    table.row("p50", report["p50"], "ms")
    table.row("p95", float(np.percentile(latency, 95)), "ms", most=GOAL_MS)
    table.row("p99", report["p99"], "ms")
    return int(bool(table.missed))


def _rows() -> pa.Table:
    """Reviews in their order, with the columns that the model's `fit` reads."""
    found, count = reviews(), FITTED + ASKED
    some = found[:count].rename_columns(["event_timestamp" if name == "written_at" else name for name in found.column_names])
    return some.append_column("garment_stars", pa.array([4.2] * count)).append_column("garment_reviews", pa.array([5.0] * count))


def _bodies(rows: pa.Table) -> list[bytes]:
    names = [feature.name for feature in SPEC.features.request]
    asked = rows.select(["clothing_id", *names]).to_pylist()
    return [
        json.dumps({"entity": {"clothing_id": row["clothing_id"]}, "features": {name: row[name] for name in names}}).encode()
        for row in asked
    ]


def _size(table: Table, fitted: Fitted) -> None:
    table.row("the model's file", fitted.path.stat().st_size / 1e6, "MB")


if __name__ == "__main__":
    raise SystemExit(main())
