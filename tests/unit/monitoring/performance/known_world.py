"""A world whose true AUC and log loss are known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.special import expit

from include.core.spec import Feature
from include.data.window import moment
from include.monitoring.profile.binning import axes

FEATURES = (Feature(name="x"), Feature(name="z"), Feature(name="kind", dtype="category"))

START = np.datetime64(moment("2013-03-01"), "us")


def world(seed: int, n: int, moved: float = 0.0, days: int = 28) -> tuple[pa.Table, float, float]:
    """Rows of a world whose score misses `z`: it is sharp where z is low and blunt where z is high. With the expected AUC and
    log loss given the inputs. `moved`: shift of z, so the score becomes worse and no label changes its meaning."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(moved, 1, n)
    p = expit(2 * x * expit(-2 * z) - 1)
    score = expit(x - 1)
    kind = np.where(rng.random(n) < 0.3, "jet", "turboprop")
    label = (rng.random(n) < p).astype(float)
    time = START + np.sort(rng.integers(0, days * 86_400_000_000, n))
    table = pa.table({"x": x, "z": z, "kind": kind, "score": score, "label": label, "event_time": pa.array(time)})
    yes, no = np.repeat([1.0, 0.0], n), np.concatenate([p, 1 - p])
    order = np.argsort(np.tile(score, 2), kind="stable")
    below = np.cumsum((no * (1 - yes))[order])
    up = np.concatenate([p, np.zeros(n)])[order]
    expected = float(up @ below / (p.sum() * (1 - p).sum()))
    return table, expected, float(-(p * np.log(score) + (1 - p) * np.log(1 - score)).mean())


HOLDOUT = world(1, 8000)[0]

AXES = axes(FEATURES, HOLDOUT)
