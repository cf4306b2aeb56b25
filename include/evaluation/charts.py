"""What the report draws: the calibration plot, and the curves of the problem (include/problems/curves.py), as SVG and tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from include.step_values.calibration import CalibrationBin
from include.step_values.evaluation import CurveValue

LEFT, RIGHT, TOP, BOTTOM = 58, 410, 12, 256  # of the plane within an axis chart
TICKS = 4


def calibration(bins: Sequence[CalibrationBin], of: str = "share of positives") -> str:
    """Mean score against the share that came true; a dot's area shows its rows."""
    come = "positive" if of == "share of positives" else "right"
    most = max((row["rows"] for row in bins), default=1)
    dots = "".join(
        f"<circle cx={_x(row['score'])} cy={_y(row['rate'])} r={3 + 9 * (row['rows'] / most) ** 0.5:.1f} "
        f"fill=var(--accent) fill-opacity=.65><title>{row['rows']:,} rows: mean probability {row['score']:.3f}, "
        f"{row['rate']:.3f} {come}</title></circle>"
        for row in bins
    )
    grid = "".join(
        f"<path d='M{_x(tick)} {_y(0)}V{_y(1)}M{_x(0)} {_y(tick)}H{_x(1)}' stroke=var(--line) />"
        f"<text x={_x(tick)} y=272 text-anchor=middle>{tick:g}</text><text x=38 y={_y(tick)} dy=4 text-anchor=end>{tick:g}</text>"
        for tick in (0, 0.25, 0.5, 0.75, 1)
    )
    ideal = f"<path d='M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}' stroke=var(--dim) stroke-dasharray=4 />"
    labels = (
        "<text x=180 y=290 text-anchor=middle>mean probability</text>"
        f"<text transform='translate(10 135) rotate(-90)' text-anchor=middle>{escape(of)}</text>"
    )
    plot = f"<svg viewBox='0 0 330 296' width=420 role=img aria-label='calibration plot'>{grid}{ideal}{dots}{labels}</svg>"
    return f"{plot}<p class=note>On the dashed line .3 comes true three times in ten. A dot's area is its rows.</p>"


def _x(score: float) -> str:
    return f"{46 + 268 * score:.1f}"


def _y(rate: float) -> str:
    return f"{256 - 244 * rate:.1f}"


def drawn(curve: CurveValue) -> str:
    """A curve with its note."""
    made = {"line": _line, "bars": _bars, "table": _table}[curve["kind"]](curve)
    return f"{made}<p class=note>{escape(curve['note'])}</p>"


def _line(curve: CurveValue) -> str:
    points = curve.get("points", [])
    if not points:
        return "<p class=note>none</p>"
    plane = _Plane(points, curve.get("level"))
    path = " ".join(f"{'L' if number else 'M'}{plane.x(x):.1f} {plane.y(y):.1f}" for number, (x, y) in enumerate(points))
    dots = "".join(
        f"<circle cx={plane.x(x):.1f} cy={plane.y(y):.1f} r=2.5 fill=var(--accent)><title>{x:.4g}, {y:.4g}</title></circle>"
        for x, y in points
    )
    level = ""
    if "level" in curve:
        level = f"<path d='M{LEFT} {plane.y(curve['level']):.1f}H{RIGHT}' stroke=var(--dim) stroke-dasharray=4 />"
    return _svg(curve, f"{plane.grid()}{level}<path d='{path}' stroke=var(--accent) fill=none stroke-width=1.5 />{dots}")


def _bars(curve: CurveValue) -> str:
    points = curve.get("points", [])
    if not points:
        return "<p class=note>none</p>"
    plane = _Plane(points, 0.0)
    width = max(1.0, (RIGHT - LEFT) / len(points) - 1)
    bars = "".join(
        f"<rect x={plane.x(x) - width / 2:.1f} y={plane.y(y):.1f} width={width:.1f} height={BOTTOM - plane.y(y):.1f} "
        f"fill=var(--accent) fill-opacity=.65><title>{x:.4g}: {y:.4g}</title></rect>"
        for x, y in points
    )
    return _svg(curve, f"{plane.grid()}{bars}")


def _table(curve: CurveValue) -> str:
    head = "".join(f"<th{' class=n' if place else ''}>{escape(name)}</th>" for place, name in enumerate(curve.get("columns", ())))
    body = "".join(
        "<tr>" + "".join(f"<td{_number(cell)}>{_shown(cell)}</td>" for cell in row) + "</tr>" for row in curve.get("rows", ())
    )
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _number(cell: str | int) -> str:
    return "" if isinstance(cell, str) else " class=n"


def _shown(cell: str | int) -> str:
    return escape(cell) if isinstance(cell, str) else f"{cell:,}"


class _Plane:
    """From a curve's values to places on the page."""

    def __init__(self, points: Sequence[Sequence[float]], level: float | None) -> None:
        across, up = [x for x, _ in points], [y for _, y in points]
        self._x = _span(across)
        self._y = _span([*up, level] if level is not None else up)

    def x(self, value: float) -> float:
        low, high = self._x
        return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self._y
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    def grid(self) -> str:
        """Lines and the values they stand for."""
        across = [self._x[0] + (self._x[1] - self._x[0]) * step / TICKS for step in range(TICKS + 1)]
        up = [self._y[0] + (self._y[1] - self._y[0]) * step / TICKS for step in range(TICKS + 1)]
        columns = "".join(
            f"<path d='M{self.x(x):.1f} {BOTTOM}V{TOP}' stroke=var(--line) />"
            f"<text x={self.x(x):.1f} y=272 text-anchor=middle>{x:.3g}</text>"
            for x in across
        )
        rows = "".join(
            f"<path d='M{LEFT} {self.y(y):.1f}H{RIGHT}' stroke=var(--line) />"
            f"<text x={LEFT - 8} y={self.y(y):.1f} dy=4 text-anchor=end>{y:.3g}</text>"
            for y in up
        )
        return columns + rows


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _svg(curve: CurveValue, body: str) -> str:
    middle = (TOP + BOTTOM) // 2
    labels = (
        f"<text x={(LEFT + RIGHT) // 2} y=290 text-anchor=middle>{escape(curve.get('x', ''))}</text>"
        f"<text transform='translate(10 {middle}) rotate(-90)' text-anchor=middle>{escape(curve.get('y', ''))}</text>"
    )
    return f"<svg viewBox='0 0 426 296' width=540 role=img aria-label='{escape(curve['title'])}'>{body}{labels}</svg>"
