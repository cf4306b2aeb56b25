"""Predictions of models of every kind of problem, in the form that `collect` writes: a world like synthetic_predictions."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa

from include.core.spec import AnyKind, MultiClass, Ranking, Regression
from include.metrics.arrays import Floats
from tests.support.synthetic_predictions import predictions, rows

CLASSES = ("low", "middle", "high")
KINDS: dict[str, AnyKind] = {
    "regression": Regression(scale=10.0, unit="minutes", interval=0.9),
    "multiclass": MultiClass(classes=CLASSES),
    "ranking": Ranking(query="user", item="carrier_code", at=3),
}
CANDIDATES = 6  # of a query


def watched(kind: str, start: datetime, days: int, per_day: int, seed: int, fault: float = 0.0) -> pa.Table:
    """`fault`: how far what the label means has moved since the model learned it; 0: not at all, 1: it means nothing more."""
    table = predictions(rows(start, days, per_day, seed, 0.03))
    rng = np.random.default_rng(seed + 100)
    temp = table["temp"].to_numpy()
    signal = (np.where(np.isnan(temp), 50, temp) - 50) / 10
    made = {"regression": _numbers, "multiclass": _classes, "ranking": _lists}[kind](signal, rng, fault)
    table = table.drop_columns(["label", "score"])
    for name, column in made.items():
        table = table.append_column(name, column)
    return table


def _numbers(signal: Floats, rng: np.random.Generator, fault: float) -> dict[str, pa.Array]:
    value = 20 + 10 * signal
    label = value * (1 - fault) + 30 * fault + 10 * rng.normal(size=len(value))
    outputs = np.column_stack([value, value - 16.4, value + 16.4])
    return {"score": pa.array(value), "outputs": _listed(outputs), "label": pa.array(label)}


def _classes(signal: Floats, rng: np.random.Generator, fault: float) -> dict[str, pa.Array]:
    logits = np.column_stack([-2 * signal, np.zeros(len(signal)), 2 * signal])
    odds = np.exp(logits)
    outputs = odds / odds.sum(axis=1, keepdims=True)
    places = (logits * (1 - 2 * fault) + rng.gumbel(size=outputs.shape)).argmax(axis=1)
    label = pa.array(np.array(CLASSES)[places])
    return {"score": pa.array(outputs.max(axis=1)), "outputs": _listed(outputs), "label": label}


def _lists(signal: Floats, rng: np.random.Generator, fault: float) -> dict[str, pa.Array]:
    liked = (signal * (1 - 2 * fault) + 0.7 * rng.normal(size=len(signal)) > 0.8).astype(np.float64)
    users = pa.array([f"u{place // CANDIDATES}" for place in range(len(signal))])
    return {"score": pa.array(signal), "user": users, "label": pa.array(liked)}


def _listed(outputs: Floats) -> pa.Array:
    return pa.array(outputs.tolist(), pa.list_(pa.float64()))
