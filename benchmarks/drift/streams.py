"""False alarms where nobody simulated: real streams, in their own order and in random ones.

With the rows in random order nothing drifts, and windows differ by chance alone. With the windows in random order nothing
drifts either, while windows differ as they do: rows of one window are kin, some windows are odd. Whatever alarms then is a
false alarm. What alarms in the stream's own order may be true; it is told for comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import beta

from include.core.spec import Feature
from include.monitoring.drift.drift import judge
from include.monitoring.profile.binning import Axis, axes
from include.monitoring.profile.profiles import Profile, profile
from include.monitoring.reference import Reference
from include.monitoring.retraining.labelled_stream import Stream

PAST = 13  # windows that the one judged is held against
CHECKS = 400  # in random order
ROWS_GOAL, ORDER_GOAL = 0.05, 0.05
MINIMUM = 50  # rows, as a spec for such small windows would say


@dataclass(frozen=True)
class Found:
    """Shares of checks. In the stream's own order: alarms and abstentions. False alarms, each with its one-sided 95 percent
    limit: with the rows in random order, and with the windows in random order."""

    name: str
    columns: int
    windows: int
    alarms: float
    abstained: float
    rows: tuple[float, float]
    order: tuple[float, float]

    @property
    def met(self) -> bool:
        """The share itself is asked for: not to be shown above the goal would be cheap with few checks."""
        return self.rows[0] <= ROWS_GOAL and self.order[0] <= ORDER_GOAL


def measure(stream: Stream, seed: int = 7) -> Found:
    own = _own_order(stream)
    rng = np.random.default_rng(seed)
    shares = own.count("drift") / len(own), own.count("abstain") / len(own)
    false = [_share(_shuffled(each, rng, checks)) for each, checks in ((_mixed(stream, rng), CHECKS), (stream, CHECKS))]
    return Found(stream.name, stream.inputs.shape[1], stream.windows, *shares, *false)


def alarms(stream: Stream) -> list[bool]:
    """Of each window, by those before it; the first ones, which have too few before them, are silent."""
    return [False] * PAST + [said == "drift" for said in _own_order(stream)]


def _own_order(stream: Stream) -> list[str]:
    found, windows = _profiled(stream)
    rows = np.bincount(stream.window, minlength=stream.windows)
    return [_verdict(found, windows, rows, range(end - PAST, end), end) for end in range(PAST, len(windows))]


def _mixed(stream: Stream, rng: np.random.Generator) -> Stream:
    """Its rows dealt out to its windows at random."""
    return replace(stream, inputs=stream.inputs[rng.permutation(len(stream.inputs))])


def _shuffled(stream: Stream, rng: np.random.Generator, checks: int) -> list[str]:
    found, windows = _profiled(stream)
    rows = np.bincount(stream.window, minlength=stream.windows)
    drawn = [rng.permutation(len(windows))[: PAST + 1] for _ in range(checks)]
    return [_verdict(found, windows, rows, each[:PAST].tolist(), int(each[PAST])) for each in drawn]


def _share(said: Sequence[str]) -> tuple[float, float]:
    false, judged = said.count("drift"), len(said)
    return false / judged, float(beta.ppf(0.95, false + 1, judged - false)) if false < judged else 1.0


def _profiled(stream: Stream) -> tuple[list[Axis], list[Profile]]:
    names = [f"c{n}" for n in range(stream.inputs.shape[1])]
    table = pa.table({name: stream.inputs[:, n] for n, name in enumerate(names)})
    found = axes([Feature(name=name) for name in names], table)
    return found, list(_windows(stream, table, found))


def _windows(stream: Stream, table: pa.Table, found: Sequence[Axis]) -> Iterator[Profile]:
    for window in range(stream.windows):
        rows = stream.rows(window, window + 1)
        yield profile(table.slice(rows.start, rows.stop - rows.start), found)


def _verdict(
    found: Sequence[Axis], windows: Sequence[Profile], rows: npt.NDArray[np.int64], past: Sequence[int], now: int
) -> str:
    reference = Reference(tuple(found), {str(n): windows[n] for n in past})
    return judge(windows[now], int(rows[now]), reference, minimum_rows=MINIMUM, set_aside={}).verdict


HEAD = (
    "stream",
    "columns",
    "windows",
    "alarms as it was",
    "abstained",
    "rows mixed",
    "at most, 95 %",
    "windows mixed",
    "at most, 95 %",
)


def row(found: Found) -> list[object]:
    """Of the page."""
    return [found.name, found.columns, found.windows, found.alarms, found.abstained, *found.rows, *found.order]


def head() -> str:
    names = ("columns", "windows", "as it was", "abstained", "rows mixed", "95% <", "windows mixed", "95% <")
    return f"{'':24}" + "".join(f"{name:>14}" for name in names)


def show(found: Found) -> str:
    shares = (found.alarms, found.abstained, *found.rows, *found.order)
    told = "".join(f"{share:14.3f}" for share in shares)
    return f"{found.name:24}{found.columns:14}{found.windows:14}{told}{'' if found.met else '  MISSED'}"
