"""What a day's rows must be, by the dtypes of the spec: truths, texts and vectors."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.spec import Feature, View
from include.core.spec.dtypes import TEXT_BYTES
from include.features.offline.dataset import of_view, write

DAY = date(2024, 3, 1)
DATASET = of_view(
    View(
        name="orders",
        keys=("customer",),
        features=(
            Feature(name="member", dtype="bool"),
            Feature(name="review", dtype="text"),
            Feature(name="embedding", dtype="vector[2]"),
        ),
    )
)
GOOD = {"member": "true", "review": "'w\u00f6rter'", "embedding": "[0.5, 1]"}


def sql(**columns: str) -> str:
    values = ", ".join(f"{value} AS {name}" for name, value in {**GOOD, **columns}.items())
    return f"SELECT 'a' AS customer, TIMESTAMP '2024-03-01 09:00' AS event_timestamp, {values}"


def written(folder: Path, query: str) -> pa.Table:
    with duckdb.connect() as connection:
        write(connection, DATASET, query, DAY, folder / "rows.parquet")
    return pq.read_table(folder / "rows.parquet")


@pytest.mark.parametrize("vector", ["[0.5, 1]", "[0.5, 1]::DOUBLE[2]", "[0.5, 1]::FLOAT[]"])
def test_a_vector_is_a_list_of_float32_that_arrow_reads_with_a_null_beside_it(tmp_path: Path, vector: str) -> None:
    nothing = sql(member="NULL::BOOLEAN", review="NULL::VARCHAR", embedding="NULL::FLOAT[]").replace("'a'", "'b'")
    rows = written(tmp_path, f"{sql(embedding=vector)} UNION ALL {nothing}")
    assert rows.schema.field("embedding").type.value_type == pa.float32()
    assert rows.select(list(GOOD)).to_pylist() == [
        {"member": True, "review": "w\u00f6rter", "embedding": [0.5, 1.0]},
        dict.fromkeys(GOOD),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"member": "1"}, "'member' is INTEGER, expected BOOLEAN"),
        ({"member": "'true'"}, "'member' is VARCHAR, expected BOOLEAN"),
        ({"embedding": "[1.0]::FLOAT[1]"}, r"'embedding' is FLOAT\[1\], expected FLOAT\[2\]"),
        ({"embedding": "['a', 'b']"}, r"'embedding' is VARCHAR\[\], expected FLOAT\[2\]"),
        ({"embedding": "1.0"}, "'embedding' is DECIMAL"),
        ({"embedding": "[1.0, 2, 3]"}, "'embedding' must be 2 numbers"),
        ({"embedding": "[1.0, 'inf'::FLOAT]"}, "'embedding' must be finite numbers"),
        ({"embedding": "[1.0, 'nan'::FLOAT]"}, "'embedding' must be finite numbers"),
        ({"embedding": "[1.0, NULL]"}, "'embedding' must be finite numbers"),
        ({"review": f"repeat('\u00f6', {TEXT_BYTES // 2 + 1})"}, f"'review' must be at most {TEXT_BYTES} bytes of UTF-8"),
    ],
)
def test_a_row_that_is_not_what_the_spec_says_is_refused(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        written(tmp_path, sql(**columns))
