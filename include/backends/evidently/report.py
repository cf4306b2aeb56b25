"""The columns of a window beside the champion's training rows: Evidently says how far each has moved, and we draw it.

Evidently's own page is 4 to 6 MB, nearly all of it the library that draws; ours is a few kB a column, and no script runs in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.backends.evidently.columns import columns_html
from include.core.html_policy import OPENING, STATIC, meta
from include.core.spec import Feature
from include.core.spec.dtypes import kind_of

METHOD = "psi"


def drift_report(current: pa.Table, reference: pa.Table, features: Sequence[Feature], head: str) -> str:
    """One HTML page that opens offline: `head` (HTML), then the columns that both sides hold, the farthest first.

    Equal rows give equal bytes. With nothing to compare the page is the head alone.
    """
    drawn = [feature for feature in features if _drawable(current, feature) and _drawable(reference, feature)]
    body = columns_html(current, reference, drawn, scores(current, reference, drawn)) if drawn else ""
    return f"{OPENING}{meta(STATIC)}</head><body>{head}{body}</body></html>"


def scores(current: pa.Table, reference: pa.Table, features: Sequence[Feature]) -> Mapping[str, float]:
    """Evidently's population stability index of each column."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[feature.name for feature in features if feature.dtype != "category"],
        categorical_columns=[feature.name for feature in features if feature.dtype == "category"],
    )
    sides = [Dataset.from_pandas(_frame(table, features), data_definition=definition) for table in (current, reference)]
    found: Mapping[str, Any] = (
        Report([DataDriftPreset(num_method=METHOD, cat_method=METHOD)], include_tests=False).run(*sides).dict()
    )
    told = ((each["config"].get("column"), each["value"]) for each in found["metrics"])
    return {str(column): float(value) for column, value in told if column is not None}


def _drawable(table: pa.Table, feature: Feature) -> bool:
    if feature.name not in table.column_names or kind_of(feature.dtype) in ("text", "vector"):
        return False  # a text and a vector are watched by what is computed of them
    column = table[feature.name]
    values = column if feature.dtype == "category" else pc.if_else(pc.is_nan(column.cast(pa.float64())), None, column)
    return bool(len(values) > values.null_count)


def _frame(table: pa.Table, features: Sequence[Feature]) -> Any:
    rows = table.select([feature.name for feature in features])
    kinds = [pa.string() if feature.dtype == "category" else pa.float64() for feature in features]
    return rows.cast(pa.schema(zip(rows.column_names, kinds, strict=True))).to_pandas()
