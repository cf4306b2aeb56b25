"""Evidently draws the report: distributions of each column, the window beside the champion's training rows.

Its template (0.7) puts the data, categories that callers sent included, into a script as plain JSON: `</script>` in one of
them would end that script. So what we hand on is escaped, and the page carries a policy by which only Evidently's own
scripts run, by their digests. A template that is not the one we know is not used: the page is then our own part alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.core.html_policy import OPENING, STATIC, in_script, meta, script_policy, scripts
from include.core.spec import Feature
from include.core.spec.dtypes import kind_of

log = logging.getLogger(__name__)
SCRIPTS = 4  # of Evidently's template: the data, a word before the library, the library, the call that draws
# The two lines of the template that hold data. Both are JSON without a line break, up to the end of the line.
_DATA = re.compile(r"^(    var [\w]+ = )(.*;)$", re.MULTILINE)
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")


def drift_report(current: pa.Table, reference: pa.Table, features: Sequence[Feature], head: str) -> str:
    """One HTML page that opens offline: `head` (HTML), then Evidently's view of the columns both sides hold.

    Equal rows give equal bytes. With nothing to compare the page is the head alone.
    """
    drawn = [feature for feature in features if _drawable(current, feature) and _drawable(reference, feature)]
    page = sealed(_settled(_render(current, reference, drawn)), head) if drawn else ""
    return page or f"{OPENING}{meta(STATIC)}</head><body>{head}</body></html>"


def sealed(page: str, head: str) -> str:
    """Evidently's page with its data escaped, our part on top, and the policy first. Empty if it is not as we know it."""
    page, lines = _DATA.subn(lambda found: found[1] + in_script(found[2]), page)
    known = scripts(page)
    if lines != 2 or len(known) != SCRIPTS or not page.lstrip().startswith("<!DOCTYPE html>"):
        log.warning("Evidently's page is not built as the version that we know builds it: the report is drawn without it.")
        return ""
    policy = f"{script_policy(known)}; font-src data:"  # its icons
    rest = page[page.index("<head>") + len("<head>") :]
    return f"{OPENING}{meta(policy)}" + rest.replace("<body>", f"<body>{head}", 1)


def _drawable(table: pa.Table, feature: Feature) -> bool:
    if feature.name not in table.column_names or kind_of(feature.dtype) in ("text", "vector"):
        return False  # a text and a vector are watched by what is computed of them
    column = table[feature.name]
    values = column if feature.dtype == "category" else pc.if_else(pc.is_nan(column.cast(pa.float64())), None, column)
    return bool(len(values) > values.null_count)


def _render(current: pa.Table, reference: pa.Table, features: Sequence[Feature]) -> str:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[feature.name for feature in features if feature.dtype != "category"],
        categorical_columns=[feature.name for feature in features if feature.dtype == "category"],
    )
    sides = [Dataset.from_pandas(_frame(table, features), data_definition=definition) for table in (current, reference)]
    report = Report([DataDriftPreset(num_method="psi", cat_method="psi")], include_tests=False)
    page: str = report.run(*sides).get_html_str(as_iframe=False)
    return page


def _frame(table: pa.Table, features: Sequence[Feature]) -> Any:
    rows = table.select([feature.name for feature in features])
    kinds = [pa.string() if feature.dtype == "category" else pa.float64() for feature in features]
    return rows.cast(pa.schema(zip(rows.column_names, kinds, strict=True))).to_pandas()


def _settled(page: str) -> str:
    """The page with its random ids numbered in order of appearance."""
    order: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        return order.setdefault(match.group(), f"id{len(order):06d}")

    return _RANDOM.sub(name, page)
