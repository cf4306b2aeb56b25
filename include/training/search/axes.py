"""An axis of a drawing: numbers by their size, all else by its place among the values that there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

LEFT, RIGHT = 60, 60  # of a drawing: room for words
WIDE = 30.0  # numbers whose largest is so many times the least are drawn by their ratios


@dataclass(frozen=True)
class Axis:
    name: str
    x: float
    y: Callable[[Any], float]
    ticks: Sequence[tuple[str, float]]
    top: float
    bottom: float

    def drawn(self) -> str:
        """SVG of the axis, its name and its ticks."""
        ticks = "".join(
            f"<text x={self.x + 5:.1f} y={y:.1f} dy=4 stroke=var(--paper) stroke-width=3 paint-order=stroke>{escape(text)}</text>"
            for text, y in self.ticks
        )
        name = f"<text x={self.x:.1f} y=14 text-anchor=middle>{escape(self.name)}</text>"
        return f"<path d='M{self.x:.1f} {self.top}V{self.bottom}' stroke=var(--dim) />{name}{ticks}"


def axis_of(name: str, values: Sequence[Any], x: float, top: float, bottom: float, *, log: bool = True) -> Axis:
    """The axis that these values fit on. `log`: whether it may go by ratios."""
    numbers = [float(each) for each in values if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(numbers) < len(values) or not numbers:
        return _named(name, values, x, top, bottom)
    low, high = min(numbers), max(numbers)
    ratios = log and low > 0 and high / low >= WIDE
    scale: Callable[[float], float] = math.log if ratios else float

    def place(value: Any) -> float:
        span = scale(high) - scale(low)
        return bottom - (bottom - top) * ((scale(float(value)) - scale(low)) / span if span else 0.5)

    middle = math.sqrt(low * high) if ratios else (low + high) / 2
    ticks = [(f"{each:.4g}", place(each)) for each in dict.fromkeys((low, middle, high))]
    return Axis(name, x, place, ticks, top, bottom)


def _named(name: str, values: Sequence[Any], x: float, top: float, bottom: float) -> Axis:
    known = sorted({str(each) for each in values})
    places = {each: bottom - (bottom - top) * (n / (len(known) - 1) if len(known) > 1 else 0.5) for n, each in enumerate(known)}
    return Axis(name, x, lambda value: places[str(value)], list(places.items()), top, bottom)
