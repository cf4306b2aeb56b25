"""Streams whose drift is known. The policy's constants are chosen on these, and on no others.

The label is 1 where a logistic function of the inputs says so. How its coefficients move is the family; how large and how noisy
windows are, how many inputs there are, how hard the task is and how far windows differ of themselves is drawn anew for each
stream, so that a constant that fits has to fit all of that.

In `noise only` the law of the label stays, while windows have a week of their own and inputs wander: a retrain may be worth it.
In `pure noise` every window is of one law. `bursts` was added after a real stream (spam) had shown that kind to be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit

from include.monitoring.retraining.labelled_stream import Stream

FAMILIES = (
    "gradual", "abrupt", "recurring", "seasonal", "noise only", "label delay", "class imbalance", "bursts", "pure noise",
)  # fmt: skip
WINDOWS = (40, 110)  # a stream has so many, at least and at most
ROWS = (80, 1500)  # of a window
HARD = (0.7, 40.0)  # the spread of the log odds: from .37 wrong at best to .01
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Simulated:
    """A stream, its family, and after how many windows the labels of one are known."""

    family: str
    stream: Stream
    delay: int


def simulated(seeds: range) -> Iterator[Simulated]:
    """A stream of each family for each seed."""
    for seed in seeds:
        for number, family in enumerate(FAMILIES):
            rng = np.random.default_rng((seed, number))
            yield Simulated(family, stream(family, seed, rng), int(rng.integers(2, 6)) if family == "label delay" else 1)


def stream(family: str, seed: int, rng: np.random.Generator) -> Stream:
    windows = int(rng.integers(*WINDOWS))
    rows = int(np.exp(rng.uniform(*np.log(ROWS))))
    words = rng.random() < 0.3
    columns = int(rng.integers(40, 200)) if words else int(rng.integers(4, 13))
    rows = min(rows, 300) if words else rows
    path = _paths(family, rng)(rng, windows, columns)
    moves = float(family != "pure noise")
    own = path.std() * rng.choice([0.0, 0.15, 0.4]) * rng.normal(size=path.shape)  # a week of its own, gone with the next
    path = path + moves * own
    lean = moves * rng.choice([0.0, 0.5, 1.0]) * rng.normal(size=windows)  # by the window, in log odds, how often the label is 1
    if family == "bursts":
        lean = lean + _bursts(rng, windows)
    share = rng.uniform(0.03, 0.1) if family == "class imbalance" else rng.uniform(0.3, 0.7)
    inputs, label = (_mails if words else _measured)(rng, path, rows, share, lean, moves)
    window = np.repeat(np.arange(windows), rows)
    return Stream(f"{family} {seed}", inputs.reshape(-1, columns), label.reshape(-1).astype(np.float64), window)


def _measured(
    rng: np.random.Generator, path: Floats, rows: int, share: float, lean: Floats, moves: float
) -> tuple[Floats, Floats]:
    """Inputs [windows, rows, columns], and labels that follow from them. Rows of a window share a shift, which comes and goes,
    or wanders."""
    windows, columns = path.shape
    shift = moves * _shift(rng, windows, columns)
    inputs = rng.normal(size=(windows, rows, columns)) + shift[:, None, :]
    logit = np.einsum("wrc,wc->wr", inputs, path) + 0.4 * inputs[:, :, 0] * inputs[:, :, 1]
    logit *= np.exp(rng.uniform(*np.log(HARD))) / logit.std()
    logit += lean[:, None] + _offset(logit[:, :50].ravel(), share)
    return inputs, rng.random((windows, rows)) < expit(logit)


def _offset(logit: Floats, share: float) -> float:
    """What makes the label 1 so often."""
    return float(brentq(lambda offset: float(expit(logit + offset).mean()) - share, -200.0, 200.0))


def _mails(rng: np.random.Generator, path: Floats, rows: int, share: float, lean: Floats, moves: float) -> tuple[Floats, Floats]:
    """Labels, and words that follow from them: many columns of 0 and 1, each of which says little, in few rows."""
    windows, columns = path.shape
    chance = expit(np.log(share / (1 - share)) + lean)
    label = rng.random((windows, rows)) < chance[:, None]
    common = rng.normal(size=columns) - 1.5 + moves * _shift(rng, windows, columns)
    strength = rng.uniform(0.3, 1.2) * path / max(float(path.std()), 0.01)
    logit = common[:, None, :] + strength[:, None, :] * (label[:, :, None] - 0.5)
    return (rng.random(logit.shape) < expit(logit)).astype(np.float64), label


def _shift(rng: np.random.Generator, windows: int, columns: int) -> Floats:
    shift: Floats = 0.2 * rng.normal(size=(windows, columns))
    if rng.random() < 0.5:
        shift += (0.1 * rng.normal(size=(windows, columns))).cumsum(axis=0)
    return shift


def _bursts(rng: np.random.Generator, windows: int) -> Floats:
    """The label's log odds stay for some windows and jump, as far as to windows of one label alone: what is trained on those
    is no good, whatever its age."""
    jumps = rng.random(windows) < 1 / rng.uniform(3, 12)
    return rng.uniform(2, 5) * rng.normal(size=windows)[np.cumsum(jumps)]


Path = Callable[[np.random.Generator, int, int], Floats]


def _paths(family: str, rng: np.random.Generator) -> Path:
    """Of delay, imbalance and bursts: as any of the others."""
    kinds: dict[str, Path] = {
        "gradual": _gradual, "abrupt": _abrupt, "recurring": _recurring, "seasonal": _seasonal, "noise only": _still,
    }  # fmt: skip
    family = "noise only" if family == "pure noise" else family
    return kinds[family] if family in kinds else list(kinds.values())[int(rng.integers(len(kinds)))]


def _still(rng: np.random.Generator, windows: int, columns: int) -> Floats:
    return np.tile(rng.normal(size=columns), (windows, 1))


def _gradual(rng: np.random.Generator, windows: int, columns: int) -> Floats:
    pace = np.exp(rng.uniform(np.log(0.03), np.log(0.3)))
    steps = pace * rng.normal(size=(windows, columns))
    if rng.random() < 0.5:  # one way, not to and fro
        steps = 0.3 * steps + pace * 0.5 * rng.normal(size=columns)
    path: Floats = rng.normal(size=columns) + steps.cumsum(axis=0)
    return path


def _abrupt(rng: np.random.Generator, windows: int, columns: int) -> Floats:
    jumps = rng.random(windows) < rng.choice([0.02, 0.05, 0.1])
    concepts = rng.normal(size=(windows, columns))
    size = rng.uniform(0.3, 1.0)
    path = np.empty((windows, columns))
    now = concepts[0]
    for window in range(windows):
        if jumps[window]:
            now = np.sqrt(1 - size**2) * now + size * concepts[window]
        path[window] = now
    return path


def _recurring(rng: np.random.Generator, windows: int, columns: int) -> Floats:
    """Two or three concepts that take turns, each for some windows."""
    concepts = rng.normal(size=columns) + rng.uniform(0.4, 1.2) * rng.normal(size=(int(rng.integers(2, 4)), columns))
    stay = rng.choice([4, 8, 16])
    path, now = np.empty((windows, columns)), 0
    for window in range(windows):
        if rng.random() < 1 / stay:
            now = int(rng.integers(len(concepts)))
        path[window] = concepts[now]
    return path


def _seasonal(rng: np.random.Generator, windows: int, columns: int) -> Floats:
    period = rng.choice([12, 26, 52])
    swing = rng.uniform(0.3, 1.0) * rng.normal(size=columns)
    turn = np.sin(2 * np.pi * (np.arange(windows) / period + rng.random()))
    slow = rng.choice([0.0, 0.03]) * rng.normal(size=(windows, columns))
    path: Floats = rng.normal(size=columns) + swing * turn[:, None] + slow.cumsum(axis=0)
    return path
