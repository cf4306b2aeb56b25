"""The evaluation report: one self-contained HTML page, readable without a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from include.core.html import document, tiles
from include.evaluation import robustness_report
from include.evaluation.charts import calibration, drawn
from include.evaluation.explained_charts import explained
from include.evaluation.privacy_words import section as privacy
from include.fairness import report as fairness
from include.problems.problem import Problem
from include.problems.stated import problem_in, stated
from include.step_values.evaluation import EvaluateValue, GateValue, LatencyValue
from include.step_values.training import Metrics

NAMES = {
    "boosted": "HistGradientBoosting, same rows and features but texts",
    "historical_rate": "historical rate of the category",
    "historical": "what the category's rows were before",
}
TITLES = {"rate": "share of positives", "train_loss": "training loss", "validation_loss": "validation loss"}


def render(model: str, value: EvaluateValue, history: Sequence[Mapping[str, float]]) -> str:
    """The page of an evaluation's value (see the step) and of the training's history."""
    problem = problem_in(value)
    sections = (
        f"<h1>{escape(model)}: evaluation</h1>",
        _gate(value["gate"]),
        _warnings(value.get("warnings", ())),
        _tiles(value, problem),
        _section("Metrics on the holdout", f"{_metrics(value, problem)}<p class=note>{value['rows']:,} rows, none of them "
                 f"trained on. {_compared(value)}{_paired(value)} {_decided(value, problem)}{_less(problem)}</p>"),
        *_calibrated(value, problem),
        *(_section(curve["title"], drawn(curve)) for curve in value.get("curves", ())),
        *(_section(title, body) for title, body in _explained(value, problem)),
        _section("Privacy", privacy(value["privacy"])) if "privacy" in value else "",
        _latency(value["latency_ms"], value.get("remote", "")),
        _section("Slices", _table(_columns(value["slices"]), value["slices"], problem)),
        *_people(value),
        *_disturbed(value, problem),
        _section("Training", _table(_columns(history), history, problem)),
    )  # fmt: skip
    return document(f"{model}: evaluation", "".join(sections))


def _tiles(value: EvaluateValue, problem: Problem) -> str:
    name, latency = problem.headline[0], value["latency_ms"]
    ours, boosted = value["metrics"].get(name), value["baselines"].get("boosted", {}).get(name)
    metric = stated(problem, name)
    title = metric.title[:1].upper() + metric.title[1:]
    shown = {f"{title} on the holdout": f"{_cell(ours)}{metric.unit}", "holdout rows": f"{value['rows']:,}"}
    if ours is not None and boosted is not None:
        shown[f"{title} against gradient boosting"] = f"{ours - boosted:+.3f}"
    size = {"served by": value["remote"]} if "remote" in value else {"model file": f"{value['bytes'] / 1000:,.0f} kB"}
    return tiles({**shown, "ms for one row, p99": f"{latency['p99']:g}", **size})


def _calibrated(value: EvaluateValue, problem: Problem) -> Iterator[str]:
    """Whether probabilities come true; nothing of outputs that are none."""
    if value["calibration"] or "threshold" in value:
        whole = len(problem.outputs) == 1
        of = "share of positives" if whole else "share of rows where it is right"
        yield _section("Calibration" if whole else "Calibration of the likeliest class", calibration(value["calibration"], of))


def _people(value: EvaluateValue) -> Iterator[str]:
    """How groups are treated, where the spec names attributes."""
    if "fairness" in value:
        yield _section("How groups of people are treated", fairness.sections(value["fairness"]))


def _disturbed(value: EvaluateValue, problem: Problem) -> Iterator[str]:
    """What disturbed inputs cost, where the spec asks."""
    if "robustness" in value:
        yield _section("With inputs missing, noisy or unknown", robustness_report.section(value["robustness"], problem))


def _explained(value: EvaluateValue, problem: Problem) -> Iterable[tuple[str, str]]:
    """What moves the model, where the evaluation asked."""
    return explained(value["explanations"], problem) if "explanations" in value else ()


def _latency(latency: LatencyValue, remote: str = "") -> str:
    """How the time of a row was measured, and on what kind of machine. `remote`: the server that scored, if one did."""
    if "reference" not in latency:
        return ""
    seen, reference = latency["seen"], latency["reference"]
    wire = f"<p>Over the wire, to {escape(remote)} and back; the model's size there is not judged.</p>" if remote else ""
    thousand = "" if remote else f"A thousand predictions take {latency['mean']:.3g} s of one CPU. "
    return _section("Time of a row", wire + (
        f"<p>{thousand}p50 {latency['p50']:g} ms, p99 {latency['p99']:g} ms: the fastest of {latency['passes']} calls with each "
        f"row, at the reference's known cost. On the clock p50 {seen['p50']:g} ms, p99 {seen['p99']:g} ms.</p><p class=note>In "
        f"the same minutes the reference took {reference['slowdown']:g} times its known cost ({reference['ms']:g} ms for "
        f"{reference['nominal']:g}), with {latency['load']:g} runnable processes a core. A slow minute is not held against the "
        "model.</p>"
    ))  # fmt: skip


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>{body}"


def _gate(gate: GateValue) -> str:
    if gate["passed"]:
        return (
            '<div class="banner good"><strong>The gate is open.</strong> <span>The model may go on as a candidate.</span></div>'
        )
    reasons = "".join(f"<li>{escape(str(reason))}</li>" for reason in gate["reasons"])
    return f'<div class="banner bad"><strong>The gate is closed.</strong><ul>{reasons}</ul></div>'


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    listed = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<div class="banner bad"><strong>These rows may hold their own answer.</strong><ul>{listed}</ul></div>'


def _metrics(value: EvaluateValue, problem: Problem) -> str:
    rows: list[tuple[str, Metrics]] = [("this model", value["metrics"])]
    if value["champion"]:
        rows.append(("champion", value["champion"]))
    if "cold" in value:
        rows.append(("a cold fit of the same rows", value["cold"]["metrics"]))
    rows += [(NAMES.get(name, name), metrics) for name, metrics in value["baselines"].items()]
    names = (*problem.own_metrics, *(name for name in value["metrics"] if name not in problem.own_metrics))
    return _table(("", *names), [{"": name, **metrics} for name, metrics in rows], problem, marked=0)


def _compared(value: EvaluateValue) -> str:
    if "incomparable" in value:
        return f"There is no champion to compare with: {escape(value['incomparable'])}."
    return "The champion is scored on the same rows with its own encoding."


def _less(problem: Problem) -> str:
    """Which metrics are better where they are less."""
    titles = [metric.title for metric in problem.own_metrics.values() if not metric.higher_is_better]
    listed = f"{', '.join(titles[:-1])} and {titles[-1]}" if len(titles) > 1 else "".join(titles)
    unit = next((stated(problem, name).unit for name, metric in problem.own_metrics.items() if metric.of_label), "")
    known = f" Errors are in{unit}." if unit else ""
    return f"{f'Of {listed}, less is better.' if titles else ''}{known}"


def _paired(value: EvaluateValue) -> str:
    paired = value.get("paired")
    if not paired or paired["worse"] is None or paired["error"] is None:
        return ""
    side = "worse" if paired["worse"] > 0 else "better"
    return f" Row by row this model is {side} by {abs(paired['worse']):.4f} (± {1.96 * paired['error']:.4f})."


def _decided(value: EvaluateValue, problem: Problem) -> str:
    """Where the metrics of a decision were taken; nothing of an evaluation that did not keep it."""
    if "threshold" not in value:
        return ""
    named = ", ".join(metric.title for metric in problem.own_metrics.values() if metric.decided)
    return f"Measured at serving.threshold ({value['threshold']:g}): {named}. "


def _columns(rows: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _table(columns: Iterable[str], rows: Sequence[Mapping[str, object]], problem: Problem, marked: int = -1) -> str:
    columns = tuple(columns)
    if not rows:
        return "<p class=note>none</p>"
    head = "".join(f"<th{_align(name)}>{escape(_heading(name, problem))}</th>" for name in columns)
    body = "".join(
        f"<tr{' class=ours' if number == marked else ''}>"
        f"{''.join(f'<td{_align(name)}>{_cell(row.get(name))}</td>' for name in columns)}</tr>"
        for number, row in enumerate(rows)
    )
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _heading(column: str, problem: Problem) -> str:
    return problem.own_metrics[column].title if column in problem.own_metrics else TITLES.get(column, column)


def _align(name: str) -> str:
    return "" if name in ("", "slice", "value") else " class=n"


def _cell(value: object) -> str:
    """Three digits tell models apart; more is noise."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
