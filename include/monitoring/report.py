"""Our verdict in plain words: the head of the report that people look at. HTML without any outside file."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.request import Json

ROWS = 5000  # of either side, evenly spaced in time: enough to see a distribution, few enough to draw fast
SHOWN = 8

STYLE = """<style>
.slip{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:24px auto;padding:0 16px;color:#1f2933}
.slip h1{font-size:24px;margin:0 0 4px}.slip h2{font-size:17px;margin:22px 0 6px}.slip p{margin:4px 0}
.slip table{border-collapse:collapse;width:100%}
.slip td,.slip th{padding:5px 10px;border-bottom:1px solid #e4e7eb;text-align:left}
.slip td.n,.slip th.n{text-align:right;font-variant-numeric:tabular-nums}.slip .dim{color:#627d98}
.slip .tag{display:inline-block;padding:1px 9px;border-radius:10px;font-size:13px;font-weight:600;color:#fff;background:#7b8794}
.slip .good{background:#2f8132}.slip .bad{background:#ba2525}.slip .warn{background:#b44d12}
</style>"""


def sample(rows: pa.Table) -> pa.Table:
    """At most ROWS rows, evenly spaced; the same rows every time."""
    if rows.num_rows <= ROWS:
        return rows
    return rows.take(pa.array(np.linspace(0, rows.num_rows - 1, ROWS).astype(np.int64)))


def verdict_html(model: str, value: Mapping[str, Json]) -> str:
    """The head of the report for a `monitor` value."""
    parts = [_title(model, value), _quality(value["quality"]), _drift(value["drift"]), _performance(value["performance"])]
    note = (
        f"Below: Evidently's own view of a sample of at most {ROWS:,} rows a side. Its marks use one fixed threshold "
        "for every column and every season; the verdict above is calibrated on this model's own past and is the one that decides."
    )
    return f'{STYLE}<div class="slip">{"".join(parts)}<p class="dim">{note}</p></div>'


def _title(model: str, value: Mapping[str, Json]) -> str:
    champion, collected = value["champion"], value["collected"]
    version = f"version {champion['version']}" if champion else "no version in production"
    start, end = value["window"].split("/")
    counts = f"{collected['rows']:,} predictions, {collected['labelled']:,} with their label"
    return f"<h1>{escape(model)}: {start} to {end}</h1><p class='dim'>{escape(version)} · {counts}</p>"


def _quality(quality: Mapping[str, Json]) -> str:
    tag = ("good", "whole") if not quality["issues"] else ("warn", "look") if quality["passed"] else ("bad", "failed")
    lines = [f"<p>{escape(issue['words'])}</p>" for issue in quality["issues"]] or ["<p>Nothing wrong with the data.</p>"]
    return _section("Data quality", tag, "".join(lines))


def _drift(drift: Mapping[str, Json]) -> str:
    tag = {"drift": ("bad", "drift"), "none": ("good", "no drift"), "abstain": ("", "not judged")}[drift["verdict"]]
    rows = [_column(column) for column in drift["columns"][:SHOWN]]
    head = "<tr><th>column</th><th class=n>times its usual spread</th><th>what happened</th></tr>"
    table = f"<table>{head}{''.join(rows)}</table>" if rows else ""
    apart = "; ".join(f"{name} ({why})" for name, why in drift["not_judged"].items())
    rest = f"<p class='dim'>Not judged: {escape(apart)}.</p>" if apart else ""
    return _section("Drift", tag, f"<p>{escape(drift['words'])}</p>{table}{rest}")


def _column(column: Mapping[str, Any]) -> str:
    name = escape(column["name"])
    shown = f"<b>{name}</b>" if column["drifted"] else name
    return f"<tr><td>{shown}</td><td class=n>{column['score']:.1f}</td><td>{escape(column['words'])}</td></tr>"


def _performance(performance: Mapping[str, Json]) -> str:
    tag = ("", "not judged") if performance["verdict"] == "abstain" else ("good", "measured")
    if performance["drop"] is not None and performance["drop"] > 2 * performance["drop_error"]:
        tag = ("warn", "lower")
    return _section("Performance", tag, f"<p>{escape(performance['words'])}</p>{_slices(performance)}")


def _slices(performance: Mapping[str, Json]) -> str:
    metric = performance["metric"]
    rows = [
        f"<tr><td>{escape(s['column'])} = {escape(str(s['value']))}</td><td class=n>{s['rows']:,}</td>"
        f"<td class=n>{s['positive_rate']:.2f}</td><td class=n>{s[metric]:.3f} ± {1.96 * s['error']:.3f}</td></tr>"
        for s in performance["slices"]
        if metric in s
    ]
    head = f"<tr><th>slice</th><th class=n>rows</th><th class=n>positive rate</th><th class=n>{escape(metric)}</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>" if rows else ""


def _section(title: str, tag: tuple[str, str], body: str) -> str:
    kind, text = tag
    return f"<h2>{title} <span class='tag {kind}'>{text}</span></h2>{body}"
