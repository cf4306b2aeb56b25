"""Our verdict in plain words: the head of the report that people look at. HTML without any outside file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from include.fairness import report as fairness
from include.monitoring.fairness import missed_in
from include.monitoring.formatting import percent
from include.monitoring.performance.slices import LEVEL
from include.problems.of import of_params
from include.problems.problem import Problem
from include.step_values.monitoring import (
    ColumnDriftValue,
    DriftTypeValue,
    DriftValue,
    EstimateValue,
    MonitorValue,
    PerformanceValue,
    QualityValue,
    WatchedChampion,
    WatchedFairness,
)

ROWS = 5000  # drawn of either side: enough to see a distribution, few enough to draw fast
SHOWN = 8
LEAST = 0.001  # a smaller chance is shown as being under this
KINDS = {"prediction": "what is answered", "label": "the labels", "concept": "what an answer means"}

# Every rule is scoped: Evidently's own page follows in the same document.
STYLE = """<style>
.slip{--paper:#fff;--soft:#f4f6f9;--ink:#1a2332;--dim:#5b6979;--line:#e1e6ed;--good:#14773a;--warn:#a45309;--bad:#bf2a1d;
font:15px/1.55 system-ui,sans-serif;background:var(--paper);color:var(--ink);padding:24px 16px 32px}
@media (prefers-color-scheme:dark){.slip{--paper:#0f141b;--soft:#1e2733;--ink:#e5eaf1;--dim:#97a5b8;--line:#2b3543;--good:#4cc97c;
--warn:#f0b145;--bad:#ff7f72}}
.slip>*{max-width:68rem;margin-left:auto;margin-right:auto}
.slip h1{font-size:1.55rem;line-height:1.25;margin-top:0;margin-bottom:4px}
.slip h2{font-size:1.12rem;margin-top:30px;margin-bottom:6px}.slip h3{font-size:.95rem}.slip .scroll{overflow-x:auto}
.slip svg{display:block;max-width:100%;height:auto}.slip svg text{fill:var(--dim);font:11px system-ui,sans-serif}
.slip p{margin-top:4px;margin-bottom:4px}.slip table{border-collapse:collapse;width:100%;font-size:.93rem}
.slip td,.slip th{padding:6px 14px 6px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
.slip th{color:var(--dim);font-size:.84rem}.slip td.n,.slip th.n{text-align:right;font-variant-numeric:tabular-nums}
.slip .dim{color:var(--dim)}.slip .good{color:var(--good)}.slip .warn{color:var(--warn)}.slip .bad{color:var(--bad)}
.slip .tag{display:inline-block;padding:0 10px;border:1px solid currentColor;border-radius:99px;font-size:.8rem;font-weight:600}
.slip .gauge{position:relative;width:11rem;height:12px;margin-top:6px;border-radius:6px;background:var(--soft)}
.slip .gauge i{position:absolute;left:0;top:0;bottom:0;border-radius:6px;background:var(--dim)}
.slip .gauge i.far{background:var(--bad)}
.slip .gauge u{position:absolute;left:75%;top:-3px;bottom:-3px;border-left:2px solid var(--bad)}
</style>"""


def sample(rows: pa.Table) -> pa.Table:
    """At most ROWS rows, evenly spaced; the same rows every time."""
    if rows.num_rows <= ROWS:
        return rows
    return rows.take(pa.array(np.linspace(0, rows.num_rows - 1, ROWS).astype(np.int64)))


def verdict_html(model: str, value: MonitorValue) -> str:
    """The head of the report for a `monitor` value."""
    parts = [_title(model, value), _quality(value["quality"]), _drift(value["drift"]), _kinds(value["kinds"])]
    problem = of_params(value)
    parts += [_performance(value["performance"], problem), _late(value), _before(value["estimate"]), *_fairness(value)]
    note = (
        f"Below: Evidently's own view of a sample of at most {ROWS:,} rows a side. Its marks use one fixed threshold "
        "for every column and every season; the verdict above is calibrated on this model's own past and is the one that decides."
    )
    return f'{STYLE}<div class="slip">{"".join(parts)}<p class="dim">{note}</p></div>'


def _title(model: str, value: MonitorValue) -> str:
    champion, collected = value["champion"], value["collected"]
    start, end = value["window"].split("/")
    counts = f"{collected['rows']:,} predictions, {collected['labelled']:,} with their label"
    text = f"<p class='dim'>{counts}. {escape(_who(champion, collected['versions']))}</p>"
    return f"<h1>{escape(model)}: {escape(start)} to {escape(end)}</h1>{text}"


def _who(champion: WatchedChampion | None, answered: Mapping[str, int]) -> str:
    """Which versions answered, and whether the champion of now was among them: only its own answers judge it."""
    said = ", ".join(f"version {version}: {rows:,}" for version, rows in sorted(answered.items()))
    if champion is None:
        return "No version is in production."
    if not answered.get(str(champion["version"])):
        return (
            f"Version {champion['version']} is the champion now, but did not answer in this window ({said or 'nobody did'}): "
            "its performance cannot be judged from it."
        )
    return f"Answered by {said}."


def _quality(quality: QualityValue) -> str:
    tag = ("good", "whole") if quality["passed"] else ("bad", "failed")
    if quality["issues"] and quality["passed"]:
        tag = ("warn", "look")
    lines = [f"<p>{escape(issue['words'])}</p>" for issue in quality["issues"]] or ["<p>Nothing wrong with the data.</p>"]
    return _section("Data quality", tag, "".join(lines))


def _kinds(kinds: Mapping[str, DriftTypeValue]) -> str:
    """What else can differ, each kind by its name: it asks for something else."""
    tags = {"drift": ("bad", "drift"), "none": ("good", "no drift"), "abstain": ("dim", "not judged")}
    text = [(title, kinds[name]) for name, title in KINDS.items()]
    lines = [
        f"<tr><td>{title}</td><td><span class='tag {tags[k['verdict']][0]}'>{tags[k['verdict']][1]}</span></td>"
        f"<td>{escape(k['words'])}</td></tr>"
        for title, k in text
    ]
    return f"<h2>Answers and labels</h2><table>{''.join(lines)}</table>"


def _drift(drift: DriftValue) -> str:
    tag = {"drift": ("bad", "drift"), "none": ("good", "no drift"), "abstain": ("dim", "not judged")}[drift["verdict"]]
    rows = [_column(column, drift["critical"]) for column in drift["columns"][:SHOWN]]
    names = ("<th class=n>times its usual spread", "<th>against the alarm", "<th class=n>carries", "<th>what happened")
    head = f"<tr><th>column</th>{'</th>'.join(names)}</th></tr>"
    table = f"<table>{head}{''.join(rows)}</table>" if rows else ""
    apart = "; ".join(f"{name} ({why})" for name, why in drift["not_judged"].items())
    rest = f"<p class='dim'>Not judged: {escape(apart)}.</p>" if apart else ""
    return _section("Drift", tag, f"<p>{escape(drift['words'])}</p>{table}{rest}")


def _column(column: ColumnDriftValue, critical: float | None) -> str:
    name = escape(column["name"])
    shown = f"<b>{name}</b>" if column["drifted"] else name
    cells = f"<td>{shown}</td><td class=n>{column['score']:.1f}</td><td>{_gauge(column['score'], critical)}</td>"
    share = column.get("importance")
    carries = "" if share is None else percent(share)
    return f"<tr>{cells}<td class=n>{carries}</td><td>{escape(column['words'])}</td></tr>"


def _gauge(score: float, critical: float | None) -> str:
    """The score as a bar; the mark at three quarters is the alarm."""
    if not critical:
        return ""
    share = min(100.0, 75 * score / critical)
    return f"<div class=gauge><i style='width:{share:.1f}%'{' class=far' if score > critical else ''}></i><u></u></div>"


def _performance(performance: PerformanceValue, problem: Problem) -> str:
    tag = ("dim", "not judged") if performance["verdict"] == "abstain" else ("good", "measured")
    drop, error = performance["drop"], performance["drop_error"]
    if drop is not None and error is not None and drop > 2 * error:
        tag = ("warn", "lower")
    text = f"<p>{escape(performance['words'])}</p>{_metrics(performance, problem)}{_slices(performance, problem)}"
    return _section("Performance", tag, text)


def _metrics(performance: PerformanceValue, problem: Problem) -> str:
    """Every metric with its interval, and what a score is worth as a probability."""
    if not performance["metrics"]:
        return ""
    names = [name for name in problem.metrics if name in performance["metrics"]]
    head = "".join(f"<th class=n>{escape(problem.metric(name).title)}</th>" for name in names)
    pairs = [(performance["metrics"][name], 1.96 * performance["errors"][name]) for name in names]
    cells = "".join(f"<td class=n>{value:.3f}<br><span class=dim>± {error:.3f}</span></td>" for value, error in pairs)
    table = f"<table><tr>{head}</tr><tr>{cells}</tr></table>"
    return table + (_calibration(performance) if performance["calibration"] else "")


def _calibration(performance: PerformanceValue) -> str:
    slope = performance["calibration"]["slope"]
    error = 1.96 * performance["calibration"]["slope_error"]
    held = "too far apart" if slope < 1 else "too close together"
    if abs(slope - 1) <= error:
        held = "as far apart as they should be"
    return f"<p class=dim>Calibration slope {slope:.2f} ± {error:.2f} (1 is right): low and high scores are {held}.</p>"


def _slices(performance: PerformanceValue, problem: Problem) -> str:
    metric = performance["metric"]
    rated = any("positive_rate" in s for s in performance["slices"])
    rows = [
        f"<tr><td>{escape(s['column'])} = {escape(str(s['value']))}</td><td class=n>{s['rows']:,}</td>"
        f"{_rate(s) if rated else ''}<td class=n>{s[metric]:.3f} ± {1.96 * s['error']:.3f}</td>{_fall(s)}</tr>"
        for s in performance["slices"]
        if metric in s
    ]
    names = (
        "rows",
        *(("positive rate",) if rated else ()),
        escape(problem.metric(metric).title),
        "on the holdout",
        "chance of such a fall",
    )
    head = f"<tr><th>slice</th>{''.join(f'<th class=n>{name}</th>' for name in names)}</tr>"
    return f"<table>{head}{''.join(rows)}</table>" if rows else ""


def _rate(each: Mapping[str, Any]) -> str:
    return f"<td class=n>{each['positive_rate']:.2f}</td>"


def _fall(each: Mapping[str, Any]) -> str:
    """Against the slice's own holdout; the chance counts that every slice was tried."""
    if "p" not in each:
        return "<td class=n>–</td><td class=n>–</td>"
    shown = f"{each['p']:.2g}" if each["p"] >= LEAST else f"under {LEAST:g}"
    chance = f"<b class=bad>{shown}</b>" if each["p"] < LEVEL else shown
    return f"<td class=n>{each['expected']:.3f}</td><td class=n>{chance}</td>"


def _late(value: MonitorValue) -> str:
    """How far the labels are, the windows judged again with late ones, and the shadows on the same rows."""
    landing = value["landing"]
    lines = [f"{landing['landed']:,} labels have landed, about {landing['coming']:,.0f} are still to come."]
    for each in value["earlier"]:
        lines.append(f"{each['window'].replace('/', ' to ')}, as its labels stand now: {each['performance']['words']}")
    lines += [each["words"] for each in value["comparisons"]]
    tag = ("good", "enough") if landing["enough"] else ("dim", "still open")
    return _section("Labels", tag, "".join(f"<p>{escape(line)}</p>" for line in lines))


def _before(estimate: EstimateValue) -> str:
    tag = ("dim", "not told") if estimate["verdict"] == "abstain" else ("good", "estimated")
    return _section("Before labels", tag, f"<p>{escape(estimate['words'])}</p>")


def _fairness(value: MonitorValue) -> Iterator[str]:
    """How groups were treated, where the spec names attributes."""
    if "fairness" not in value:
        return
    found = value["fairness"]
    late = ""
    if "late" in found:
        late = (
            f"<h3>{escape(found['late_window'].replace('/', ' to '))}, late labels landed</h3>{fairness.sections(found['late'])}"
        )
    yield _section("How groups of people were treated", _fairness_tag(found), fairness.sections(found) + late)


def _fairness_tag(found: WatchedFairness) -> tuple[str, str]:
    if found["alarm"]:
        return "bad", "missed again and again"
    if missed_in(found):
        return "warn", "missed"
    return ("good", "no limit missed") if found["limits"] else ("dim", "reported")


def _section(title: str, tag: tuple[str, str], body: str) -> str:
    kind, text = tag
    return f"<h2>{title} <span class='tag {kind}'>{text}</span></h2>{body}"
