"""Evidently draws the report: distributions of each column, the window beside the champion's training rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.core.spec import Feature

_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")


def drift_report(current: pa.Table, reference: pa.Table, features: Sequence[Feature], head: str) -> str:
    """One HTML page that opens offline: `head` (HTML), then Evidently's view of the columns both sides hold.

    Equal rows give equal bytes. With nothing to compare the page is the head alone.
    """
    drawn = [feature for feature in features if _drawable(current, feature) and _drawable(reference, feature)]
    if not drawn:
        return f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"></head><body>{head}</body></html>'
    page = _settled(_render(current, reference, drawn))
    body = page.index("<body>") + len("<body>")
    return page[:body] + head + page[body:]


def _drawable(table: pa.Table, feature: Feature) -> bool:
    if feature.name not in table.column_names:
        return False
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
