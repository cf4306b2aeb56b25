"""Distributions side by side, as SVG in a page without a script: the window's filled, the champion's past as a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.core.spec import Feature

WIDTH, HEIGHT, LEFT, BOTTOM = 360, 120, 4, 18
BINS = 24
MOST = 12  # values of a category that are drawn; the rest together
NAME = 14  # letters of a value below its bar
TAIL = 0.5  # percent of the values at each end that share the first and the last bin

Floats = npt.NDArray[np.float64]
STYLE = """<style>.columns{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1.2rem}
.columns figure{margin:0}.columns figcaption{font-size:.92rem}.now{fill:var(--accent);fill-opacity:.45}
.was{fill:none;stroke:var(--ink);stroke-width:1.5}</style>"""


def columns_html(current: pa.Table, reference: pa.Table, features: Sequence[Feature], scores: Mapping[str, float]) -> str:
    """A section for each column, the farthest first. `scores`: the population stability index."""
    ordered = sorted(features, key=lambda feature: (-scores.get(feature.name, 0.0), feature.name))
    drawn = "".join(_column(feature, current[feature.name], reference[feature.name], scores) for feature in ordered)
    words = (
        f"{current.num_rows:,} rows of the window (filled) beside {reference.num_rows:,} of the champion's training set (line), "
        "evenly spaced. PSI is Evidently's, by one rule for every column: it decides nothing."
    )
    return f'{STYLE}<h2>Distributions</h2><p class="note">{words}</p><div class="columns">{drawn}</div>'


def _column(feature: Feature, now: pa.ChunkedArray, was: pa.ChunkedArray, scores: Mapping[str, float]) -> str:
    shares = _categories(now, was) if feature.dtype == "category" else _numbers(now, was)
    name, score = escape(feature.name), scores.get(feature.name)
    missing = f"missing {_missing(now, feature):.1%}, before {_missing(was, feature):.1%}"
    told = f"PSI {score:.3f}; {missing}" if score is not None else missing
    caption = f'<figcaption><b>{name}</b> <span class="dim">{told}</span></figcaption>'
    return f"<figure>{caption}{_picture(feature.name, *shares)}</figure>"


def _numbers(now: pa.ChunkedArray, was: pa.ChunkedArray) -> tuple[list[str], Floats, Floats]:
    """Names of the bins (of the first and the last alone) and the shares of both sides. Equal values have one bin."""
    both = [_finite(each) for each in (now, was)]
    low, high = np.percentile(np.concatenate(both), [TAIL, 100 - TAIL])
    edges = np.linspace(low, high, BINS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    counts = [np.histogram(np.clip(each, edges[0], edges[-1]), edges)[0].astype(np.float64) for each in both]
    names = ["" for _ in edges[1:]]
    names[0], names[-1] = f"{edges[0]:.4g}", f"{edges[-1]:.4g}" if len(names) > 1 else f"{low:.4g}"
    shares = [each / max(each.sum(), 1.0) for each in counts]
    return names, shares[0], shares[1]


def _categories(now: pa.ChunkedArray, was: pa.ChunkedArray) -> tuple[list[str], Floats, Floats]:
    counted = [Counter(str(value) for value in each.to_pylist() if value is not None) for each in (now, was)]
    totals = [max(sum(each.values()), 1) for each in counted]
    weight = {name: counted[0][name] / totals[0] + counted[1][name] / totals[1] for each in counted for name in each}
    names = sorted(weight, key=lambda name: (-weight[name], name))[:MOST]
    shares = [[each[name] / total for name in names] for each, total in zip(counted, totals, strict=True)]
    if len(weight) > MOST:
        names = [*names, f"{len(weight) - MOST} more"]
        shares = [[*each, 1 - sum(each)] for each in shares]
    return names, np.array(shares[0]), np.array(shares[1])


def _picture(title: str, names: Sequence[str], now: Floats, was: Floats) -> str:
    top, slot, base = max(float(now.max()), float(was.max()), 1e-9), (WIDTH - 2 * LEFT) / len(names), HEIGHT - BOTTOM
    heights = [(base - 6) * each / top for each in (now, was)]
    bars, steps = [], []
    for place, name in enumerate(names):
        x, told = LEFT + slot * place, f"{name or place + 1}: {now[place]:.1%}, before {was[place]:.1%}"
        filled = (
            f'x="{x + 1:.1f}" y="{base - heights[0][place]:.1f}" width="{max(slot - 2, 1):.1f}" height="{heights[0][place]:.1f}"'
        )
        bars.append(f'<rect class="now" {filled}><title>{escape(told)}</title></rect>')
        steps.append(f"M{x:.1f} {base - heights[1][place]:.1f}h{slot:.1f}")
    labels = "".join(_label(place, name, slot, len(names)) for place, name in enumerate(names) if name)
    described = f'role="img" aria-label="{escape(f"{title}: the window beside the past")}"'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" {described}>{"".join(bars)}<path class="was" d="{"".join(steps)}"/>'
        f'<path d="M{LEFT} {base}H{WIDTH - LEFT}" stroke="var(--line)"/>{labels}</svg>'
    )


def _label(place: int, name: str, slot: float, many: int) -> str:
    """Below its bar; shortened to what there is room for. Of numbers the ends alone are named."""
    if many == BINS:
        at, anchor = (LEFT, "start") if place == 0 else (WIDTH - LEFT, "end")
        return f'<text x="{at}" y="{HEIGHT - 5}" text-anchor="{anchor}">{escape(name)}</text>'
    room = NAME if many <= 4 else max(2, int(slot / 6))
    text = name if len(name) <= room else f"{name[: room - 1]}…"
    return f'<text x="{LEFT + slot * (place + 0.5):.1f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(text)}</text>'


def _finite(column: pa.ChunkedArray) -> Floats:
    values: Any = column.cast(pa.float64()).to_numpy()
    return np.asarray(values[np.isfinite(values)], dtype=np.float64)


def _missing(column: pa.ChunkedArray, feature: Feature) -> float:
    if not len(column):
        return 0.0
    known = len(column) - column.null_count if feature.dtype == "category" else len(_finite(column))
    return 1 - known / len(column)
