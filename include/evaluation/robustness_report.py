"""What disturbed inputs cost, for people: the worst first."""

from __future__ import annotations

from html import escape

from include.problems.problem import Problem
from include.problems.stated import stated
from include.step_values.robustness import RobustnessValue, TrialValue

SHOWN = 40


def section(value: RobustnessValue, problem: Problem) -> str:
    """Below a heading of the caller's."""
    metric = stated(problem, value["metric"])
    rows = "".join(_row(each) for each in value["trials"][:SHOWN])
    rest = len(value["trials"]) - SHOWN
    names = (metric.title, "falls by", "believable")
    head = "".join(f"<th class=n>{escape(name)}</th>" for name in names)
    base = "unknown" if value["base"] is None else f"{value['base']:.3f}{metric.unit}"
    more = f" {rest} more trials cost less." if rest > 0 else ""
    note = (
        f"{metric.title} on these {value['rows']:,} rows as they are: {base}. Each trial has the same rows "
        f"(seed {value['seed']}).{more}"
    )
    table = f"<div class=scroll><table><tr><th>what is wrong</th>{head}</tr>{rows}</table></div>"
    return f"<p>{escape(value['words'])}</p>{table}<p class=note>{escape(note)}</p>"


def _row(each: TrialValue) -> str:
    low, high = _figure(each["low"]), _figure(each["high"])
    believable = "–" if each["fall"] is None else f"{low} to {high}"
    cells = "".join(f"<td class=n>{text}</td>" for text in (_figure(each["metric"]), _figure(each["fall"]), believable))
    return f"<tr><td>{escape(each['words'])}</td>{cells}</tr>"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
