"""Streams whose drift is known, for choosing the policy's constants: none of them was chosen on a real one.

The label is 1 where a logistic function of six inputs says so; its coefficients wander, jump, return with a season,
differ from window to window, or stay. Rows of a window share a shift of the inputs, so windows differ even where nothing drifts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from include.monitoring.retraining.labelled_stream import Stream

COLUMNS = 6
KINDS = ("still", "slow", "fast", "rare jumps", "jumps", "season", "season and slow", "restless", "restless and slow")
Floats = npt.NDArray[np.float64]


def simulated(seeds: int, windows: int = 80) -> Iterator[Stream]:
    """A stream of each kind for each seed; 200 to 2,000 rows a window."""
    for seed in range(seeds):
        for number, kind in enumerate(KINDS):
            yield stream(kind, np.random.default_rng((seed, number)), windows)


def stream(kind: str, rng: np.random.Generator, windows: int) -> Stream:
    rows = int(np.exp(rng.uniform(np.log(200), np.log(2000))))
    coefficients = _coefficients(kind, rng, windows)
    shift = 0.2 * rng.normal(size=(windows, COLUMNS))
    inputs = rng.normal(size=(windows, rows, COLUMNS)) + shift[:, None, :]
    logit = np.einsum("wrc,wc->wr", inputs, coefficients) + 0.5 * inputs[:, :, 0] * inputs[:, :, 1]
    label = rng.random((windows, rows)) < 1 / (1 + np.exp(-logit))
    window = np.repeat(np.arange(windows), rows)
    return Stream(f"{kind}, {rows} rows", inputs.reshape(-1, COLUMNS), label.reshape(-1).astype(np.float64), window)


def _coefficients(kind: str, rng: np.random.Generator, windows: int) -> Floats:
    """[windows, columns]."""
    start = rng.normal(size=COLUMNS) * rng.uniform(0.5, 1.5)
    steps = np.zeros((windows, COLUMNS))
    if "slow" in kind or kind == "fast":
        steps += (0.15 if kind == "fast" else 0.04) * rng.normal(size=steps.shape)
    if "jumps" in kind:
        jumps = rng.random(windows) < (0.02 if kind == "rare jumps" else 0.07)
        steps[jumps] += rng.uniform(0.4, 1.2) * rng.normal(size=(int(jumps.sum()), COLUMNS))
    path = start + steps.cumsum(axis=0)
    if "season" in kind:
        period = rng.choice([12, 26, 52])
        swing = 0.5 * rng.normal(size=COLUMNS)
        path += swing * np.sin(2 * np.pi * (np.arange(windows) / period + rng.random()))[:, None]
    if "restless" in kind:  # a week of its own, gone with the next
        path += 0.5 * rng.normal(size=path.shape)
    result: Floats = path
    return result
