"""The monitored weeks as one picture: the metric on landed labels above, drift against its alarm below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from include.core.errors import DataError
from include.core.ledger import Ledger
from include.governance.invalidation import find
from include.step_values.monitoring import MonitorValue

WIDTH, LEFT, TOP, MIDDLE, LOW, BOTTOM = 1000, 44, 14, 150, 190, 250


class Week(MonitorValue):
    """A monitored window, and what was decided on it."""

    action: str


def monitored(ledger: Ledger, model: str, actions: Mapping[str, str]) -> list[Week]:
    """The `monitor` values, oldest window first; one computed again replaces the one before. `actions`: by window."""
    try:
        held = find(ledger, model, "monitor")
    except DataError:
        return []
    results = [ledger.result(each.key) for each in sorted(held, key=lambda each: each.committed_at)]
    values = {result.value["window"]: result.read(MonitorValue) for result in results if result}
    return [{**values[window], "action": actions.get(window, "")} for window in sorted(values)]


def picture(weeks: Sequence[Week]) -> str:
    """SVG. Each week tells its numbers in words when it is pointed at."""
    if not weeks:
        return "<p class=note>No week was monitored.</p>"
    span = _span(weeks)
    slot = (WIDTH - LEFT - 10) / len(weeks)
    drawn = "".join(_week(week, LEFT + slot * (n + 0.5), slot, span) for n, week in enumerate(weeks))
    ticks = "".join(_tick(span, share) for share in (0.0, 0.5, 1.0))
    alarm = BOTTOM - _height(1.0)
    limit = (
        f"<path d='M{LEFT} {alarm:.0f}H{WIDTH}' stroke=var(--bad) stroke-dasharray=3 />"
        f"<text x={LEFT - 6} y={alarm + 4:.0f} text-anchor=end>alarm</text>"
        f"<text x={LEFT - 6} y={BOTTOM} text-anchor=end>drift</text>"
    )
    name = escape(weeks[0]["performance"]["metric"])
    return (
        f"<svg viewBox='0 0 {WIDTH} 292' role=img aria-label='performance and drift by week'>{ticks}{limit}{drawn}</svg>"
        f"<p class=note>Above: {name} on landed labels with its 95 % interval; dashed, what the champion's holdout promised. "
        "Below: the farthest column's drift against its alarm.</p>"
    )


def _span(weeks: Sequence[Week]) -> tuple[float, float]:
    seen = [bound for week in weeks for bound in _bounds(week)]
    return (min(seen) - 0.01, max(seen) + 0.01) if seen else (0.0, 1.0)


def _bounds(week: Week) -> list[float]:
    value, error, expected = _measured(week)
    measured = [] if value is None else [value - error, value + error]
    return measured + ([] if expected is None else [expected])


def _measured(week: Week) -> tuple[float | None, float, float | None]:
    """Value, half of its interval, and what was expected."""
    performance = week["performance"]
    name = performance["metric"]
    return performance["metrics"].get(name), 1.96 * (performance["errors"].get(name) or 0.0), performance["expected"]


def _y(value: float, span: tuple[float, float]) -> float:
    return MIDDLE - (MIDDLE - TOP) * (value - span[0]) / (span[1] - span[0])


def _height(ratio: float) -> float:
    return float(min(BOTTOM - LOW, (BOTTOM - LOW) * ratio / 1.6))


def _tick(span: tuple[float, float], share: float) -> str:
    value = span[0] + share * (span[1] - span[0])
    y = _y(value, span)
    line = f"<path d='M{LEFT} {y:.1f}H{WIDTH}' stroke=var(--line) />"
    return f"{line}<text x={LEFT - 6} y={y + 4:.1f} text-anchor=end>{value:.2f}</text>"


def _week(week: Week, x: float, slot: float, span: tuple[float, float]) -> str:
    drift, words = week["drift"], f"{week['window']}: {week['performance']['words']} {week['drift']['words']}"
    high = _height(drift["statistic"] / drift["critical"]) if drift["critical"] and drift["statistic"] else 0.0
    tone = "var(--bad)" if drift["verdict"] == "drift" else "var(--dim)"
    place = f"x={x - slot / 4:.1f} y={BOTTOM - high:.1f} width={slot / 2:.1f} height={high:.1f}"
    bar = f"<rect {place} rx=2 fill={tone} fill-opacity=.7 />"
    day = f"<text x={x:.1f} y={BOTTOM + 16} text-anchor=middle>{escape(week['window'][5:10])}</text>"
    acted = f"<text x={x:.1f} y=286 text-anchor=middle style='fill:var(--accent);font-weight:600'>retrain</text>"
    below = bar + day + (acted if week["action"] == "retrain" else "")
    return f"<g><title>{escape(words)}</title>{_dot(week, x, slot, span)}{below}</g>"


def _dot(week: Week, x: float, slot: float, span: tuple[float, float]) -> str:
    value, error, expected = _measured(week)
    if value is None:
        return f"<text x={x:.1f} y={MIDDLE - 4} text-anchor=middle>not judged</text>"
    low, high = _y(value - error, span), _y(value + error, span)
    line = f"<path d='M{x:.1f} {low:.1f}V{high:.1f}' stroke=var(--accent) stroke-opacity=.45 stroke-width=2 />"
    dot = f"<circle cx={x:.1f} cy={_y(value, span):.1f} r=4.5 fill=var(--accent) />"
    if expected is None:
        return line + dot
    return f"<path d='M{x - slot / 2:.1f} {_y(expected, span):.1f}h{slot:.1f}' stroke=var(--dim) stroke-dasharray=4 />{line}{dot}"
