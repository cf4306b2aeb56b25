"""The evaluation report: one self-contained HTML page, readable without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from include.core.html import document, tiles
from include.metrics.binary import METRICS
from include.step_values.evaluation import CalibrationBin, EvaluateValue, GateValue, LatencyValue
from include.step_values.training import Metrics

NAMES = {"boosted": "HistGradientBoosting, same rows and features", "historical_rate": "historical rate of the category"}
TITLES = {"rate": "share of positives", "train_loss": "training loss", "validation_loss": "validation loss"}


def render(model: str, value: EvaluateValue, history: Sequence[Mapping[str, float]]) -> str:
    """The page of an evaluation's value (see the step) and of the training's history."""
    sections = (
        f"<h1>{escape(model)}: evaluation</h1>",
        _gate(value["gate"]),
        _warnings(value.get("warnings", ())),
        _tiles(value),
        _section("Metrics on the holdout", f"{_metrics(value)}<p class=note>{value['rows']:,} rows, none of them trained on. "
                 f"The champion is scored on the same rows with its own encoding.{_paired(value)} {_decided(value)}"
                 "Of log loss, Brier and calibration error, less is better.</p>"),
        _section("Calibration", _calibration(value["calibration"])),
        _latency(value["latency_ms"]),
        _section("Slices", _table(("slice", "value", "rows", "rate", "auc", "log_loss"), value["slices"])),
        _section("Training", _table(_columns(history), history)),
    )  # fmt: skip
    return document(f"{model}: evaluation", "".join(sections))


def _tiles(value: EvaluateValue) -> str:
    auc, latency = value["metrics"].get("auc"), value["latency_ms"]
    boosted = value["baselines"].get("boosted", {}).get("auc")
    shown = {"AUC on the holdout": _cell(auc), "holdout rows": f"{value['rows']:,}"}
    if auc is not None and boosted is not None:
        shown["AUC against gradient boosting"] = f"{auc - boosted:+.3f}"
    return tiles({**shown, "ms for one row, p99": f"{latency['p99']:g}", "model file": f"{value['bytes'] / 1000:,.0f} kB"})


def _latency(latency: LatencyValue) -> str:
    """How the time of a row was measured, and on what kind of machine."""
    if "reference" not in latency:
        return ""
    seen, reference = latency["seen"], latency["reference"]
    return _section("Time of a row", (
        f"<p>p50 {latency['p50']:g} ms, p99 {latency['p99']:g} ms: the fastest of {latency['passes']} calls with each row, at "
        f"the reference's known cost. On the clock p50 {seen['p50']:g} ms, p99 {seen['p99']:g} ms.</p><p class=note>In the same "
        f"minutes the reference took {reference['slowdown']:g} times its known cost ({reference['ms']:g} ms for "
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


def _metrics(value: EvaluateValue) -> str:
    rows: list[tuple[str, Metrics]] = [("this model", value["metrics"])]
    if value["champion"]:
        rows.append(("champion", value["champion"]))
    rows += [(NAMES.get(name, name), metrics) for name, metrics in value["baselines"].items()]
    return _table(("", *METRICS), [{"": name, **metrics} for name, metrics in rows], marked=0)


def _paired(value: EvaluateValue) -> str:
    paired = value.get("paired")
    if not paired or paired["worse"] is None or paired["error"] is None:
        return ""
    side = "worse" if paired["worse"] > 0 else "better"
    return f" Row by row this model is {side} by {abs(paired['worse']):.4f} (± {1.96 * paired['error']:.4f})."


def _decided(value: EvaluateValue) -> str:
    """Where the metrics of a decision were taken; nothing of an evaluation that did not keep it."""
    if "threshold" not in value:
        return ""
    named = ", ".join(metric.title for metric in METRICS.values() if metric.uses_threshold)
    return f"Measured at serving.threshold ({value['threshold']:g}): {named}. "


def _calibration(bins: Sequence[CalibrationBin]) -> str:
    """Mean score against share of positives; a dot's area shows its rows."""
    most = max((row["rows"] for row in bins), default=1)
    dots = "".join(
        f"<circle cx={_x(row['score'])} cy={_y(row['rate'])} r={3 + 9 * (row['rows'] / most) ** 0.5:.1f} "
        f"fill=var(--accent) fill-opacity=.65><title>{row['rows']:,} rows: mean score {row['score']:.3f}, "
        f"{row['rate']:.3f} positive</title></circle>"
        for row in bins
    )
    grid = "".join(
        f"<path d='M{_x(tick)} {_y(0)}V{_y(1)}M{_x(0)} {_y(tick)}H{_x(1)}' stroke=var(--line) />"
        f"<text x={_x(tick)} y=272 text-anchor=middle>{tick:g}</text><text x=38 y={_y(tick)} dy=4 text-anchor=end>{tick:g}</text>"
        for tick in (0, 0.25, 0.5, 0.75, 1)
    )
    ideal = f"<path d='M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}' stroke=var(--dim) stroke-dasharray=4 />"
    labels = (
        "<text x=180 y=290 text-anchor=middle>mean score</text>"
        "<text transform='translate(10 135) rotate(-90)' text-anchor=middle>share of positives</text>"
    )
    plot = f"<svg viewBox='0 0 330 296' width=420 role=img aria-label='calibration plot'>{grid}{ideal}{dots}{labels}</svg>"
    return f"{plot}<p class=note>On the dashed line a score of 0.3 comes true three times in ten. A dot's area is its rows.</p>"


def _x(score: float) -> str:
    return f"{46 + 268 * score:.1f}"


def _y(rate: float) -> str:
    return f"{256 - 244 * rate:.1f}"


def _columns(rows: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _table(columns: Iterable[str], rows: Sequence[Mapping[str, object]], marked: int = -1) -> str:
    columns = tuple(columns)
    if not rows:
        return "<p class=note>none</p>"
    head = "".join(f"<th{_align(name)}>{escape(_heading(name))}</th>" for name in columns)
    body = "".join(
        f"<tr{' class=ours' if number == marked else ''}>"
        f"{''.join(f'<td{_align(name)}>{_cell(row.get(name))}</td>' for name in columns)}</tr>"
        for number, row in enumerate(rows)
    )
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _heading(column: str) -> str:
    return METRICS[column].title if column in METRICS else TITLES.get(column, column)


def _align(name: str) -> str:
    return "" if name in ("", "slice", "value") else " class=n"


def _cell(value: object) -> str:
    """Three digits tell models apart; more is noise."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
