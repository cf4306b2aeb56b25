"""Where the cells of a numeric column begin: equal cells whose borders keep away from the values that are common.

A value on a border changes its cell with its last bit: .3 is not .1 * 3, and neither is .3 in single precision. So
the grid is moved, and where a column has few values its cells widened, until a value that is off by what single
precision rounds stays where it is. Columns of whole numbers have borders halfway between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

CELLS = 8190  # with the two beyond the ends 8,192 counters: they stay in a core's cache while a column is counted
PAD = 0.125  # the span is widened by this share on either side: a value a little beyond it still has its own cell
TAIL = 0.001  # this share of the values lies outside the span: a wild one must not coarsen the grid of the others
SINGLE = 2.0**-23  # twice what single precision rounds, relative to a value
EXACT = 2.0**51  # below this a double tells halves apart
FEW = 512  # up to so many distinct values are all kept away from borders, of more only the common ones
SAMPLED = 20_000  # so many values tell whether they are few, and which are common
COMMON = 0.002  # a value with this share of the rows is common
HUGE, TINY = 1e300, 1e-290  # beyond these the arithmetic of cells overflows: such values share the cells at the ends

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Anchors:
    """Values that borders keep away from, in order. `all`: there are no others."""

    values: Floats
    all: bool


def anchors_of(values: Floats) -> Anchors:
    """Of finite values, at least one: every distinct one where they are few, else the common ones, or the least."""
    sample = values[np.linspace(0, len(values) - 1, min(len(values), SAMPLED)).astype(np.int64)]
    found, counts = np.unique(sample, return_counts=True)
    if len(found) <= FEW and 4 * len(found) <= len(sample):
        every = np.unique(pc.unique(pa.array(values)).to_numpy())  # hashing first leaves few values to sort
        if len(every) <= FEW:
            return Anchors(every, True)
    common = found[counts >= max(3, COMMON * len(sample))]
    return Anchors(common if len(common) else np.array([values.min()]), False)


def laid_out(values: Floats, anchors: Anchors) -> tuple[float, float]:
    """Low end and width of CELLS cells over finite values."""
    inside = np.clip(values, -HUGE, HUGE)
    left, right = (float(q) for q in np.quantile(inside, (TAIL, 1 - TAIL)))
    span = right - left or max(abs(left), 1.0) * 1e-3
    span = max(span, TINY)
    low = max(float(inside.min()) - PAD * span, left - 2 * span)
    high = min(float(inside.max()) + PAD * span, right + 2 * span)
    largest, width = max(abs(low), abs(high)), float(np.ceil((high - low + 2) / CELLS))
    whole = high - low <= 1e9 and largest < EXACT and _whole(values)
    if whole and (not anchors.all or (width == 1 and largest * SINGLE < 0.5)):
        return float(np.floor(low)) - 0.5, width
    near = anchors.values[(anchors.values >= low) & (anchors.values <= high)]
    return _between(near if len(near) else np.array([left]), low, high)


def _whole(values: Floats) -> bool:
    return all(np.array_equal(some, np.rint(some)) for some in (values[:1000], values))


def _between(anchors: Floats, low: float, high: float) -> tuple[float, float]:
    """The finest cells that keep the anchors away from borders by what single precision rounds; else those that do best.

    A whole number of cells lies between the two nearest anchors, so that regular ones lie alike in their cells.
    """
    finest = max((high - low) / (CELLS - 1), 4 * float(np.spacing(max(abs(low), abs(high)))))
    enough = SINGLE * float(np.abs(anchors).max())
    gaps = np.diff(anchors)
    gap = float(gaps[gaps > 2 * enough].min(initial=high - low))  # .3 and .1 * 3 are one value
    pieces = max(1, int(gap / finest))
    best = _clearest(anchors, low, max(finest, gap / pieces))
    while best[2] < enough and pieces > 1:
        pieces //= 2
        best = max(best, _clearest(anchors, low, gap / pieces), key=lambda found: found[2])
    return best[0], best[1]


def _clearest(anchors: Floats, low: float, step: float) -> tuple[float, float, float]:
    """(low end, step, distance to the nearest border), the low end less than a cell below `low`, where that is largest."""
    places = np.sort(((anchors - low) / step) % 1.0)
    gaps = np.diff(np.append(places, places[0] + 1.0))
    widest = int(gaps.argmax())
    border = (places[widest] + gaps[widest] / 2) % 1.0
    return low - step + float(border) * step, step, float(gaps[widest]) / 2 * step
