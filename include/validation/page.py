"""The verdict as one page a person reads: no script, no outside resource, the same bytes for the same verdict.

great_expectations' own data docs hold the time of the run (so their digest never repeats), load their style
from a CDN, and cost 70 ms and a page a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from include.core.request import Json

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2430 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem } th, td { text-align: left; padding: .3rem .6rem;
border-bottom: 1px solid #dde2e8; vertical-align: top } td.n { text-align: right; font-variant-numeric: tabular-nums }
code { font-size: 13px; overflow-wrap: anywhere } .ok { color: #1a7f4b } .stop { color: #c0262d; font-weight: 600 }
.quarantine, .warn { color: #a15c00 }
"""

_HEAD = "<tr><th>Result</th><th>Expectation</th><th>Rows</th><th>Percent</th><th>Seen</th></tr>"


def verdict_page(title: str, value: Mapping[str, Json]) -> str:
    """HTML of a verdict value (see `include.validation.verdict.verdict_value`)."""
    verdict = '<span class="ok">passed</span>' if value["passed"] else '<span class="stop">stopped</span>'
    sections = "".join(_source(name, source) for name, source in value["sources"].items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}: {verdict}</h1>{sections}</body></html>\n"
    )


def _source(name: str, source: Mapping[str, Json]) -> str:
    reasons = "".join(f'<p class="stop">{escape(reason)}</p>' for reason in source["reasons"])
    # What needs attention comes first.
    checks = sorted(source["checks"], key=lambda check: bool(check["success"]))
    return (
        f"<h2>{escape(name)}</h2><p>{source['rows']} rows, {source['quarantined']} in quarantine, "
        f"{len(checks)} checks.</p>{reasons}<table>{_HEAD}{''.join(map(_row, checks))}</table>"
    )


def _row(check: Mapping[str, Json]) -> str:
    state = "ok" if check["success"] else check["on_failure"]
    seen = ", ".join(map(str, check["sample"])) or ("" if check["observed"] is None else str(check["observed"]))
    return (
        f'<tr><td class="{state}">{state}</td><td><code>{escape(check["expectation"])}</code></td>'
        f'<td class="n">{check["unexpected"]}</td><td class="n">{check["percent"]:g}</td><td>{escape(seen)}</td></tr>'
    )
