"""What moves the model, drawn: a bar a feature, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from include.problems.problem import Problem
from include.problems.stated import stated
from include.step_values.explanations import ExplanationsValue, ImportanceValue, ShapValue

SHOWN = 20  # features of a chart; the rest is in the value
OUTPUTS = 6  # charts of one page
LEFT, WIDTH, LINE, TOP = 170, 330, 20, 8
LONGEST = 26  # letters of a name on its bar


@dataclass(frozen=True)
class Bar:
    """`title`: what is said on hover."""

    name: str
    value: float
    low: float | None
    high: float | None
    title: str


def explained(value: ExplanationsValue, problem: Problem) -> Iterator[tuple[str, str]]:
    """Titles and HTML of the report's sections."""
    metric = stated(problem, value["metric"])
    permuted = [
        Bar(each["feature"], each["worse"], each["low"], each["high"], f"{each['feature']}: {_span(each)}")
        for each in value["permutation"][:SHOWN]
    ]
    note = (
        f"By how much {metric.title} is worse when the feature says what other rows say: {value['repeats']} permutations of "
        f"{value['rows']:,} rows of the holdout. The line is an interval of 95 %. Of features that say the same, each may look "
        "useless, for the other is still there."
    )
    drawn = bars("permutation importance", permuted)
    yield "What the metric needs", f"<p>{escape(value['words'])}</p>{drawn}<p class=note>{escape(note)}</p>"
    if "shap" in value:
        for place, output in enumerate(value["shap"]["outputs"][:OUTPUTS]):
            yield _shares(value["shap"], place, output)


def _shares(shap: ShapValue, place: int, output: str) -> tuple[str, str]:
    known = sorted(shap["features"], key=lambda each: -each["mean_abs"][place])[:SHOWN]
    drawn = [
        Bar(each["feature"], each["mean_abs"][place], None, None, f"{each['feature']}: {each['mean_abs'][place]:.4g}")
        for each in known
    ]
    rows = "".join(
        f"<tr><td>{escape(each['feature'])}</td><td class=n>{each['mean_abs'][place]:.4g}</td>"
        f"<td class=n>{each['low'][place]:+.3g} to {each['high'][place]:+.3g}</td>"
        f"<td>{escape(each['words'].get(output, ''))}</td></tr>"
        for each in known
    )
    table = (
        "<div class=scroll><table><tr><th>feature</th><th class=n>mean |SHAP|</th><th class=n>nine in ten</th><th>its value"
        f"</th></tr>{rows}</table></div>"
    )
    how = "exact" if shap["method"] == "exact" else "along permutations"
    cut = f" of {shap['of']:,} that were asked for" if shap["rows"] < shap["of"] else ""
    note = (
        f"Shapley values ({how}) of {shap['rows']:,} rows of the holdout{cut} against {shap['background']:,} rows of the "
        f"training set, whose mean answer is {shap['base'][place]:.4g}. They say what the model does, not what causes the label."
    )
    title = "What moves the answer" if len(shap["outputs"]) == 1 else f"What moves {output}"
    return title, f"{bars(f'mean absolute Shapley values of {output}', drawn)}{table}<p class=note>{note}</p>"


def bars(label: str, drawn: Sequence[Bar]) -> str:
    """Bars from the left, largest first, with a line across each interval; a value below 0 goes to the left of the zero."""
    if not drawn:
        return "<p class=note>none</p>"
    ends = [end for bar in drawn for end in (bar.value, bar.low, bar.high, 0.0) if end is not None]
    low, high = min(ends), max(ends)
    scale = WIDTH / (high - low) if high > low else 0.0
    body = "".join(_bar(bar, TOP + LINE * number, low, scale) for number, bar in enumerate(drawn))
    zero = LEFT - low * scale
    height = TOP * 2 + LINE * len(drawn)
    line = f"<path d='M{zero:.1f} {TOP}V{height - TOP}' stroke=var(--dim) />"
    return f"<svg viewBox='0 0 560 {height}' width=700 role=img aria-label='{escape(label, quote=True)}'>{body}{line}</svg>"


def _bar(bar: Bar, top: int, low: float, scale: float) -> str:
    zero, end = LEFT - low * scale, LEFT + (bar.value - low) * scale
    left, width, middle = min(zero, end), abs(end - zero), top + LINE // 2
    whisker = ""
    if bar.low is not None and bar.high is not None:
        one, other = (LEFT + (each - low) * scale for each in (bar.low, bar.high))
        whisker = f"<path d='M{one:.1f} {middle}H{other:.1f}' stroke=var(--ink) />"
    return (
        f"<text x={LEFT - 8} y={middle} dy=4 text-anchor=end>{escape(bar.name[:LONGEST])}</text>"
        f"<rect x={left:.1f} y={top + 3} width={width:.1f} height={LINE - 6} fill=var(--accent) fill-opacity=.65>"
        f"<title>{escape(bar.title)}</title></rect>{whisker}<text x={LEFT + WIDTH + 8} y={middle} dy=4>{bar.value:.3g}</text>"
    )


def _span(each: ImportanceValue) -> str:
    interval = "" if each["low"] is None or each["high"] is None else f" ({each['low']:.4g} to {each['high']:.4g})"
    return f"{each['worse']:.4g}{interval}"
