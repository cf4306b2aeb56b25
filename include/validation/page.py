"""The verdict as one page a person reads: no script, no outside resource, the same bytes for the same verdict.

great_expectations' own data docs hold the time of the run (so their digest never repeats), load their style
from a CDN, and cost 70 ms and a page a source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from include.core.html import document, tag, tiles
from include.core.json_types import Json
from include.step_values.validation import CheckValue, SourceValue, ValidateValue

_HEAD = "<tr><th>result</th><th>expectation</th><th class=n>rows against it</th><th class=n>percent</th><th>seen</th></tr>"
_TONE = {"ok": "good", "stop": "bad", "quarantine": "warn", "warn": "warn"}
_WORDS = re.compile(r"^Expect(?:Column|Compound)?(\w+)\((.*)\)$", re.DOTALL)


def verdict_page(title: str, value: ValidateValue) -> str:
    """HTML of a verdict value (see `include.validation.verdict.verdict_value`)."""
    sources = value["sources"]
    verdict = (
        '<div class="banner good"><strong>Passed.</strong> <span>The data may be used.</span></div>'
        if value["passed"]
        else '<div class="banner bad"><strong>Stopped.</strong> <span>Nothing is made from these data.</span></div>'
    )
    counts = {
        "rows": f"{sum(source['rows'] for source in sources.values()):,}",
        "in quarantine": f"{sum(source['quarantined'] for source in sources.values()):,}",
        "checks": str(sum(len(source["checks"]) for source in sources.values())),
        "checks not met": str(sum(not check["success"] for source in sources.values() for check in source["checks"])),
    }
    sections = "".join(_source(name, source) for name, source in sources.items())
    return document(title, f"<h1>{escape(title)}</h1>{verdict}{tiles(counts)}{sections}")


def _source(name: str, source: SourceValue) -> str:
    reasons = "".join(f'<p class="bad">{escape(reason)}</p>' for reason in source["reasons"])
    against = [check for check in source["checks"] if not check["success"]]
    met = [check for check in source["checks"] if check["success"]]
    failed = _table(against) if against else ""  # what needs attention comes first, and open
    passed = f"<details><summary>{len(met)} checks met</summary>{_table(met)}</details>" if met else ""
    state = tag("passed", "good") if source["passed"] else tag("stopped", "bad")
    counts = f"<p class=dim>{source['rows']:,} rows, {source['quarantined']:,} in quarantine, {len(source['checks'])} checks.</p>"
    return f"<h2>{escape(name)} {state}</h2>{counts}{reasons}{failed}{passed}"


def _table(checks: Sequence[CheckValue]) -> str:
    return f"<div class=scroll><table>{_HEAD}{''.join(map(_row, checks))}</table></div>"


def _row(check: CheckValue) -> str:
    state = "ok" if check["success"] else check["on_failure"]
    seen = ", ".join(map(str, check["sample"])) or _number(check["observed"])
    return (
        f'<tr><td>{tag(state, _TONE[state])}</td><td title="{escape(check["expectation"])}">{_words(check)}</td>'
        f'<td class="n">{check["unexpected"]:,}</td><td class="n">{check["percent"]:g}</td><td>{escape(seen)}</td></tr>'
    )


def _words(check: CheckValue) -> str:
    """`ExpectColumnValuesToBeInSet(column='origin', value_set=['JFK'])`: origin values to be in set value_set=['JFK']."""
    found = _WORDS.match(check["expectation"])
    if found is None:
        return f"<code>{escape(check['expectation'])}</code>"
    verb = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", found[1]).lower()
    column, details = check["column"], found[2].removeprefix(f"column={check['column']!r}").removeprefix(", ")
    code = f" <code class=dim>{escape(details)}</code>" if details else ""
    return f"<b>{escape(column)}</b> {verb}{code}"


def _number(observed: Json) -> str:
    if observed is None:
        return ""
    return f"{observed:.4g}" if isinstance(observed, float) else str(observed)
