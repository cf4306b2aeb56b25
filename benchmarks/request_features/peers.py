"""The same features of a fraud score by DuckDB asked for each request, as one flat prepared statement, and by Feast's on-demand
feature views: its pandas mode, and its fastest, Python one row at a time.

Of Feast what is measured is the transformation alone, as its online server calls it for a request, without store and server.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import Field, RequestSource
from feast.on_demand_feature_view import OnDemandFeatureView, on_demand_feature_view
from feast.types import Bool, Float64, Int64, String

from include.data.session import open_session
from include.data.sql import literal

Row = dict[str, Any]
_INPUTS = {
    "amount": Float64, "lat": Float64, "lon": Float64, "country": String, "mean_amount_7d": Float64, "sd_amount_7d": Float64,
    "payments_7d": Int64, "home_country": String, "home_lat": Float64, "home_lon": Float64, "hour_of": Int64,
}  # fmt: skip
_OUTPUTS = {
    "log_amount": Float64, "amount_ratio": Float64, "amount_z": Float64, "hour": Int64, "at_night": Bool, "abroad": Bool,
    "route": String, "km_from_home": Float64, "risk": Int64,
}  # fmt: skip


FLAT = """
    SELECT ln(1 + greatest(amount, 0)), amount / nullif(mean_amount_7d, 0),
        (amount - mean_amount_7d) / greatest(sd_amount_7d, 0.01), hour_of, hour_of < 6 OR hour_of >= 23, country <> home_country,
        coalesce(home_country, '?') || '>' || country,
        12742 * asin(sqrt(sin(radians(lat - home_lat) / 2) ** 2
            + cos(radians(home_lat)) * cos(radians(lat)) * sin(radians(lon - home_lon) / 2) ** 2)),
        CASE WHEN payments_7d = 0 THEN 3 WHEN amount / nullif(mean_amount_7d, 0) > 5 AND (hour_of < 6 OR hour_of >= 23) THEN 2
            WHEN country <> home_country THEN 1 ELSE 0 END
    FROM (SELECT {columns})
"""


def prepared_statement() -> Callable[[Row], Any]:
    """A call of one request by EXECUTE, which takes its values as literals."""
    types = {Float64: "DOUBLE", Int64: "BIGINT", String: "VARCHAR"}
    columns = (f"${at}::{types[dtype]} AS {name}" for at, (name, dtype) in enumerate(_INPUTS.items(), 1))
    connection = open_session(1)
    connection.execute(f"PREPARE fraud AS {FLAT.format(columns=', '.join(columns))}")
    return lambda row: connection.execute(f"EXECUTE fraud({', '.join(literal(row[name]) for name in _INPUTS)})").fetchall()


def _schema(types: dict[str, Any]) -> list[Field]:
    return [Field(name=name, dtype=dtype) for name, dtype in types.items()]


def pandas_view() -> Callable[[Row], Any]:
    """A call of one request in pandas mode."""
    import numpy as np

    def fraud(inputs: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame()
        out["log_amount"] = np.log(1 + np.maximum(inputs["amount"], 0))
        out["amount_ratio"] = inputs["amount"] / inputs["mean_amount_7d"]
        out["amount_z"] = (inputs["amount"] - inputs["mean_amount_7d"]) / np.maximum(inputs["sd_amount_7d"], 0.01)
        out["hour"] = inputs["hour_of"]
        out["at_night"] = (out["hour"] < 6) | (out["hour"] >= 23)
        out["abroad"] = inputs["country"] != inputs["home_country"]
        out["route"] = inputs["home_country"].fillna("?") + ">" + inputs["country"]
        lat, lon = np.radians(inputs["lat"] - inputs["home_lat"]), np.radians(inputs["lon"] - inputs["home_lon"])
        cosines = np.cos(np.radians(inputs["home_lat"])) * np.cos(np.radians(inputs["lat"]))
        out["km_from_home"] = 12742 * np.arcsin(np.sqrt(np.sin(lat / 2) ** 2 + cosines * np.sin(lon / 2) ** 2))
        cases = [inputs["payments_7d"] == 0, (out["amount_ratio"] > 5) & out["at_night"], out["abroad"]]
        out["risk"] = np.select(cases, [3, 2, 1], 0)
        return out

    view = _view(fraud, "pandas")

    def call(row: Row) -> Any:
        return view.transform_arrow(pa.table({name: [value] for name, value in row.items()}))

    return call


def python_view() -> Callable[[Row], Any]:
    """A call of one request in Python mode, one row at a time."""

    def fraud(inputs: dict[str, Any]) -> dict[str, Any]:
        amount, hour, home = inputs["amount"], inputs["hour_of"], inputs["home_country"]
        ratio, night, abroad = amount / inputs["mean_amount_7d"], hour < 6 or hour >= 23, inputs["country"] != home
        lat, lon = math.radians(inputs["lat"] - inputs["home_lat"]), math.radians(inputs["lon"] - inputs["home_lon"])
        cosines = math.cos(math.radians(inputs["home_lat"])) * math.cos(math.radians(inputs["lat"]))
        return {
            "log_amount": math.log(1 + max(amount, 0)), "amount_ratio": ratio,
            "amount_z": (amount - inputs["mean_amount_7d"]) / max(inputs["sd_amount_7d"], 0.01), "hour": hour,
            "at_night": night, "abroad": abroad, "route": f"{home or '?'}>{inputs['country']}",
            "km_from_home": 12742 * math.asin(math.sqrt(math.sin(lat / 2) ** 2 + cosines * math.sin(lon / 2) ** 2)),
            "risk": 3 if inputs["payments_7d"] == 0 else 2 * (ratio > 5 and night) or int(abroad),
        }  # fmt: skip

    view = _view(fraud, "python", singleton=True)
    return lambda row: view.transform_dict({name: [value] for name, value in row.items()})


def _view(function: Callable[..., Any], mode: str, **more: Any) -> OnDemandFeatureView:
    source = RequestSource(name="payment", schema=_schema(_INPUTS))
    made: OnDemandFeatureView = on_demand_feature_view(sources=[source], schema=_schema(_OUTPUTS), mode=mode, **more)(function)
    return made
