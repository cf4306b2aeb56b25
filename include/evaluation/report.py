"""The evaluation report: one self-contained HTML page, readable without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from include.core.request import Json

METRICS = ("auc", "log_loss", "brier", "ece", "accuracy", "precision", "recall", "f1")
NAMES = {"boosted": "HistGradientBoosting, same rows and features", "historical_rate": "historical rate of the category"}

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--bar:#3b82f6;--good:#16a34a;--bad:#dc2626}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:right}
th:first-child,td:first-child{text-align:left}tr.ours{font-weight:600}
.gate{padding:.6rem 1rem;border-left:.4rem solid var(--good);background:#16a34a18}
.gate.closed{border-color:var(--bad);background:#dc262618}
.note{opacity:.7;font-size:.9em}svg{max-width:24rem}
"""


def render(model: str, value: Mapping[str, Json], history: Sequence[Mapping[str, Json]]) -> str:
    """The page of an evaluation's value (see the step) and of the training's history."""
    sections = (
        _gate(value["gate"]),
        _section("Metrics on the holdout", f"{_metrics(value)}<p class=note>{value['rows']} rows, none of them trained on. "
                 "The champion is scored on the same rows with its own encoding.</p>"),
        _section("Calibration", _calibration(value["calibration"])),
        _section("Slices", _table(("slice", "value", "rows", "rate", "auc", "log_loss"), value["slices"])),
        _section("Serving", _serving(value)),
        _section("Training", _table(_columns(history), history)),
    )  # fmt: skip
    title = f"{escape(model)}: evaluation"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{''.join(sections)}</html>"
    )


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>{body}"


def _gate(gate: Mapping[str, Json]) -> str:
    if gate["passed"]:
        return "<div class=gate>The gate is open: the model may be registered as a candidate.</div>"
    reasons = "".join(f"<li>{escape(str(reason))}</li>" for reason in gate["reasons"])
    return f"<div class='gate closed'>The gate is closed:<ul>{reasons}</ul></div>"


def _metrics(value: Mapping[str, Json]) -> str:
    rows: list[tuple[str, Mapping[str, Json]]] = [("this model", value["metrics"])]
    if value["champion"]:
        rows.append(("champion", value["champion"]))
    rows += [(NAMES.get(name, name), metrics) for name, metrics in value["baselines"].items()]
    return _table(("", *METRICS), [{"": name, **metrics} for name, metrics in rows], marked=0)


def _serving(value: Mapping[str, Json]) -> str:
    latency = value["latency_ms"]
    return _table(
        ("measure", "value"),
        [
            {"measure": "one row, p50 ms", "value": latency["p50"]},
            {"measure": "one row, p99 ms", "value": latency["p99"]},
            {"measure": "model file, bytes", "value": value["bytes"]},
        ],
    )


def _calibration(bins: Sequence[Mapping[str, Json]]) -> str:
    """Mean score against share of positives; a dot's area shows its rows."""
    most = max((row["rows"] for row in bins), default=1)
    dots = "".join(
        f"<circle cx={20 + 200 * row['score']:.1f} cy={220 - 200 * row['rate']:.1f} r={2 + 8 * (row['rows'] / most) ** 0.5:.1f} "
        f"fill=var(--bar) fill-opacity=.7><title>{row['rows']} rows</title></circle>"
        for row in bins
    )
    frame = (
        "<path d='M20 20V220H220' fill=none stroke=currentColor />"
        "<path d='M20 220L220 20' stroke=currentColor stroke-dasharray=4 />"
    )
    labels = (
        "<text x=120 y=238 text-anchor=middle font-size=11 fill=currentColor>mean score</text>"
        "<text x=26 y=30 font-size=11 fill=currentColor>share of positives</text>"
    )
    return f"<svg viewBox='0 0 240 244' role=img aria-label='calibration plot'>{frame}{dots}{labels}</svg>"


def _columns(rows: Sequence[Mapping[str, Json]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _table(columns: Iterable[str], rows: Sequence[Mapping[str, Json]], marked: int = -1) -> str:
    columns = tuple(columns)
    if not rows:
        return "<p class=note>none</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr{' class=ours' if number == marked else ''}>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in columns)}</tr>"
        for number, row in enumerate(rows)
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Json) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}" if value.is_integer() else f"{value:.4f}"
    return escape(str(value))
