"""Truths, texts and vectors as they were served against what training would see."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.spec import Feature, Features, View
from include.features.skew.comparison import compare
from include.features.skew_step import served_table
from include.prediction_log.record import PREDICTION, Record

ASKED, KNOWN = "2024-03-01T12:00:00", datetime.fromisoformat("2024-03-01T09:00:00")
STORED = {"member": True, "review": "fits well", "embedding": [0.5, 1e6, -3.0]}
FEATURES = (
    Feature(name="member", dtype="bool", default=False),
    Feature(name="review", dtype="text"),
    Feature(name="embedding", dtype="vector[3]", default=(0.0, 0.0, 0.0)),
)
VIEW = View(name="orders", keys=("customer",), features=FEATURES)


def mismatched(folder: Path, served: dict[str, Any], stored: dict[str, Any] = STORED) -> dict[str, int]:
    kinds = {"member": pa.bool_(), "review": pa.string(), "embedding": pa.list_(pa.float32())}
    columns = {name: pa.array([value], kinds[name]) for name, value in stored.items()}
    file = folder / "orders.parquet"
    pq.write_table(pa.table({"customer": ["a"], "event_timestamp": pa.array([KNOWN], pa.timestamp("us")), **columns}), file)
    record = Record(PREDICTION, "r1", ASKED, event_time=ASKED, entity={"customer": "a"}, features=served)
    features = Features(views=(VIEW,))
    with duckdb.connect() as connection:
        connection.register("rows", served_table(features, [record]))
        connection.execute("CREATE TABLE served AS FROM rows")
        return {each.feature: each.mismatched for each in compare(connection, features, {"orders": [str(file)]})}


def test_what_was_served_as_it_lies_offline_is_no_skew(tmp_path: Path) -> None:
    assert mismatched(tmp_path, dict(STORED)) == {"member": 0, "review": 0, "embedding": 0}


def test_a_last_bit_of_a_vectors_number_is_no_skew(tmp_path: Path) -> None:
    assert mismatched(tmp_path, {**STORED, "embedding": [0.5, 1e6 * (1 + 1e-7), -3.0]})["embedding"] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("member", False), ("review", "fits"), ("review", None), ("embedding", [0.5, 1e6, -3.1]), ("embedding", [0.5, 1e6]),
        ("embedding", None), ("embedding", [0.5, float("nan"), -3.0]),
    ],
)  # fmt: skip
def test_another_value_is_skew_of_that_feature(tmp_path: Path, name: str, value: object) -> None:
    assert mismatched(tmp_path, {**STORED, name: value}) == {**dict.fromkeys(STORED, 0), name: 1}


def test_a_missing_value_is_its_default(tmp_path: Path) -> None:
    stored = {"member": None, "review": None, "embedding": None}
    served = {"member": False, "review": None, "embedding": [0.0, 0.0, 0.0]}
    assert mismatched(tmp_path, served, stored) == dict.fromkeys(STORED, 0)
