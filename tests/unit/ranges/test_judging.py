"""The shorter way to a verdict gives the library's own, check by check, or leaves the day to it."""

from __future__ import annotations

import io
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.request import Request
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.ranges.judging import Judge
from include.ranges.known_raw import KnownRaw
from include.ranges.stretch import NotPlain, Stretch
from include.row_rules.expectation import Expectation, columns
from include.validation import validate_step
from tests.support.operator_runs import MODEL, Life

DAY = date(2013, 1, 1)
HERE = "tests.unit.ranges.test_judging:RULES"
MOMENTS = [datetime.fromisoformat(f"2013-01-01T0{hour}:00") for hour in range(6)]
ROWS = {
    "id": pa.array(["a", "b", "c", "d", "e", None]),
    "small": pa.array([1, 2, 3, 4, 5, 6], pa.int16()),
    "gaps": pa.array([1, None, 3, 4, 5, 6], pa.int64()),
    "price": pa.array([1.0, 2.5, float("nan"), 4.0, None, 0.1 + 0.2]),
    "other": pa.array([0.0, 2.0, 1.0, 4.0, None, 0.1]),
    "at": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
    "good": pa.array([True, None, False, True, True, True]),
}
PLAIN = (
    *columns(id="text", small="integer", gaps="integer", price="number", at="timestamp", good="boolean"),
    Expectation("ExpectColumnValuesToBeUnique", column="id", on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeBetween", column="price", min_value=0, max_value=10, on_failure="quarantine"),
    Expectation("ExpectColumnValuesToBeBetween", column="small", min_value=1, strict_max=True, max_value=7, on_failure="warn"),
    Expectation("ExpectColumnValuesToMatchRegex", column="id", regex="^[a-e]$", on_failure="warn"),
    Expectation("ExpectColumnValuesToBeInSet", column="gaps", value_set=[1, 3, 4, 5, 6], on_failure="warn"),
    Expectation("ExpectColumnValueLengthsToBeBetween", column="id", min_value=1, max_value=1, on_failure="warn"),
    Expectation("ExpectColumnPairValuesAToBeGreaterThanB", column_A="price", column_B="other", or_equal=True, on_failure="warn"),
    Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="gaps", min_value=0.9, on_failure="warn"),
    Expectation("ExpectTableRowCountToBeBetween", min_value=1, max_value=5, on_failure="warn"),
)
RULES: dict[str, tuple[Expectation, ...]] = {"orders": PLAIN, "returns": ()}


def judged(life: Life, rows: dict[str, pa.Array], rules: tuple[Expectation, ...], folder: Path) -> tuple[Any, Any]:
    """The verdict's value by the shorter way (None where it is left to the step), and by the step."""
    spec: ModelSpec = life.services.spec(MODEL).model_copy(update={"expectations": HERE})
    storage = LocalStorage(folder / "store")
    raw = KnownRaw(storage, MODEL)
    for source, table in (("orders", pa.table(rows)), ("returns", pa.table({"id": ["x"]}))):
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        storage.write(raw.path(source, DAY), buffer.getvalue())
    sources = {source: raw.digest(source, DAY) for source in spec.data.sources}
    params = {"day": str(DAY), "sources": sources, "expectations": HERE}
    request = Request("validate", "include.validation.validate_step:run", MODEL, params)
    task = SimpleNamespace(request=request, params=params, storage=storage, workdir=folder)
    RULES["orders"] = rules
    judge, stretch_scratch = Judge(spec), folder / "stretch"
    stretch_scratch.mkdir()
    with Stretch(spec, raw, stretch_scratch) as stretch:
        stretch.read([DAY], judge.aggregates, [])
        try:
            ours = judge.judge(task, stretch.sources)  # type: ignore[arg-type]
        except NotPlain:
            ours = None
    quarantined = (folder / "quarantine-orders.parquet").read_bytes() if ours and len(ours.files) > 1 else b""
    theirs = validate_step.run(task)  # type: ignore[arg-type]
    if ours and len(theirs.files) > 1:
        assert (folder / "quarantine-orders.parquet").read_bytes() == quarantined
    return ours.value if ours else None, theirs.value


BAD = {
    "none": {},
    "a price": {"price": pa.array([1.0, 2.5, float("nan"), -4.0, None, 0.1 + 0.2])},
    "a key twice": {"id": pa.array(["a", "b", "a", "d", "e", None])},
    "text": {"id": pa.array(["a", "B", "c", "d", "ee", None])},
    "a set": {"gaps": pa.array([1, None, 2, 4, 2**53 + 1, 6], pa.int64())},
}


@pytest.mark.parametrize("bad", BAD)
def test_each_check_is_what_the_library_says(life: Life, tmp_path: Path, bad: str) -> None:
    ours, theirs = judged(life, {**ROWS, **BAD[bad]}, PLAIN, tmp_path)
    assert ours == theirs


@pytest.mark.parametrize(
    "rule",
    [
        Expectation("ExpectColumnMeanToBeBetween", column="price", min_value=0, on_failure="warn"),
        Expectation("ExpectColumnValuesToBeUnique", column="small", on_failure="warn"),
        Expectation("ExpectColumnToExist", column="small"),
    ],
    ids=lambda rule: rule.kind,
)  # fmt: skip
def test_a_rule_whose_figure_may_be_rounded_or_worded_otherwise_is_left_to_the_library(
    life: Life, tmp_path: Path, rule: Expectation
) -> None:
    ours, _ = judged(life, ROWS, (*PLAIN, rule), tmp_path)
    assert ours is None
