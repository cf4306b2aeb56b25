"""Streams of which the truth is known: real rows, of which some kinds become more frequent, and labels drawn from one law.

The law of the label given the inputs is fitted to all rows of a real stream and stays as it is; each window resamples the
rows with weights that depend on some inputs alone. So nothing but the inputs moves, whatever the stream did, and windows can
be large enough for the realised AUC to be no noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from benchmarks.label_free.replay import HOLDOUT, Champion, Floats, Rows, Seen, watch

WINDOWS, ROWS = 12, 40_000
TRAINED, HELD = 10_000, 20_000
COLUMNS, STRENGTH = 3, 0.7  # so many inputs tilt a window; of their normal scores


def stream(rows: Rows, seed: int = 1) -> Iterator[Seen]:
    rng = np.random.default_rng(seed)
    law = Champion(rows, seed=seed).model

    def drawn(count: int, window: npt.NDArray[np.int64], weight: Floats | None = None) -> Rows:
        chosen = rng.choice(len(rows.label), count, p=weight)
        inputs = rows.inputs[chosen]
        label = (rng.random(count) < law.predict_proba(inputs)[:, 1]).astype(np.float64)
        return Rows(inputs, label, window)

    champion = Champion(drawn(TRAINED, np.zeros(TRAINED, np.int64)), seed=seed)
    holdout = drawn(HELD, np.arange(HELD) * HOLDOUT // HELD)
    windows = (drawn(ROWS, np.full(ROWS, HOLDOUT + n), _tilt(rows.inputs, rng)) for n in range(WINDOWS))
    yield from watch(champion, holdout, windows)


def _tilt(inputs: Floats, rng: np.random.Generator) -> Floats:
    """Weights [n] that add up to 1: exponential in the normal scores of some columns. A missing value is an ordinary one."""
    weight = np.zeros(len(inputs))
    for column in rng.choice(inputs.shape[1], min(COLUMNS, inputs.shape[1]), replace=False):
        values = np.where(np.isfinite(inputs[:, column]), inputs[:, column], np.nanmedian(inputs[:, column]))
        score = (rankdata(values) - 0.5) / len(values) * 2 - 1  # of -1 to 1: a mild tilt, never outside the support
        weight += STRENGTH * rng.normal() * score
    weight = np.exp(weight - weight.max())
    result: Floats = weight / weight.sum()
    return result
