"""Seeded training sets of each kind of problem, with signal that a linear model finds."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from include.core.request import Json
from include.core.spec import AnyKind, Binary, MultiClass, Ranking, Regression

LABEL, CLASSES = "late", ("early", "on time", "late")
PROBLEMS: dict[str, AnyKind] = {
    "binary": Binary(alerts=5, weight="importance"),
    "regression": Regression(scale=2.0, unit="minutes"),
    "interval": Regression(scale=2.0, unit="minutes", interval=0.8, weight="importance"),
    "multiclass": MultiClass(classes=CLASSES, costs=((0, 1, 4), (1, 0, 1), (5, 2, 0))),
    "ranking": Ranking(query="session", item="item", at=5),
}
START = datetime.fromisoformat("2013-01-01")
LIST = 8  # rows of a query


def rows_of(kind: str, rows: int = 1200, seed: int = 0, start: datetime = START) -> pa.Table:
    """Columns `wind`, `hour`, `carrier`, and what the problem of that name reads."""
    draw = np.random.default_rng(seed)
    wind, hour, carrier = draw.normal(size=rows), draw.integers(0, 24, rows), draw.integers(0, 4, rows)
    signal = 1.5 * wind + (carrier - 1.5)
    columns = {
        "request_id": [f"{seed}-{number}" for number in range(rows)],
        "event_timestamp": pa.array([start + timedelta(minutes=7 * number) for number in range(rows)], pa.timestamp("us")),
        "wind": np.where(draw.random(rows) < 0.1, np.nan, wind),
        "hour": hour,
        "carrier": [f"C{code}" for code in carrier],
        "importance": draw.uniform(0.5, 2.0, rows),
        "session": [f"{seed}-{number // LIST}" for number in range(rows)],
        "item": [f"i{code}" for code in draw.integers(0, 50, rows)],
    }
    return pa.table({**columns, LABEL: _labels(kind, signal, draw)})


def _labels(kind: str, signal: np.ndarray, draw: np.random.Generator) -> pa.Array:
    if kind == "binary":
        return pa.array((draw.random(len(signal)) < 1 / (1 + np.exp(1 - signal))).astype(np.int8))
    if kind in ("regression", "interval"):
        return pa.array(20 + 4 * signal + 2 * draw.standard_t(3, len(signal)))
    if kind == "multiclass":
        places = np.digitize(signal + draw.normal(size=len(signal)), [-0.7, 0.7])
        return pa.array([CLASSES[place] for place in places])
    return pa.array(np.clip(np.round(signal + draw.normal(size=len(signal))), 0, 3))


def problem_params(kind: str) -> dict[str, Json]:
    """Of a request."""
    return {"problem": PROBLEMS[kind].model_dump(mode="json")}
