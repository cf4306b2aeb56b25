"""A warehouse's files as days: the same rows are the same bytes, and what is no partition is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.digest import digest_file
from include.core.errors import DataError
from include.core.partition import Cadence
from include.landing.rows import Days, split

ONE, TWO = date(2013, 5, 1), date(2013, 5, 2)
ROWS: list[dict[str, Any]] = [
    {"id": n, "at": datetime.combine(date(2013, 5, 1 + n % 2), time(n)), "price": n / 7, "tags": ["a", str(n)]} for n in range(20)
]


def files(folder: Path, *parts: Sequence[dict[str, Any]], schema: pa.Schema | None = None) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.parquet" for number in range(len(parts))]
    for path, rows in zip(paths, parts, strict=True):
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    return paths


def columns(path: Path) -> list[tuple[str, pa.DataType]]:
    schema = pq.read_schema(path)
    return list(zip(schema.names, schema.types, strict=True))


def both(column: str = "at", may_be_empty: bool = False) -> Days:
    return Days((ONE, TWO), column, may_be_empty)


def test_each_row_is_on_its_day_and_the_order_of_files_and_rows_says_nothing(tmp_path: Path) -> None:
    made = split(files(tmp_path / "a", ROWS[:7], ROWS[7:]), both(), tmp_path / "x", "q")
    again = split(files(tmp_path / "b", ROWS[::-1][:3], ROWS[::-1][3:]), both(), tmp_path / "y", "q")
    assert {day: rows for day, (_, rows) in made.items()} == {ONE: 10, TWO: 10}
    assert {day: digest_file(path) for day, (path, _) in made.items()} == {d: digest_file(path) for d, (path, _) in again.items()}
    kept = [row for path, _ in made.values() for row in pq.read_table(path).to_pylist()]
    assert sorted(kept, key=lambda row: int(row["id"])) == ROWS


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.string()])
def test_a_day_may_be_a_date_a_time_or_a_text(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"at": pa.array([ONE, TWO]).cast(pa.timestamp("us")).cast(kind)})
    pq.write_table(table, tmp_path / "f.parquet")
    made = split([tmp_path / "f.parquet"], both(), tmp_path / "x", "q")
    assert [rows for _, rows in made.values()] == [1, 1]


@pytest.mark.parametrize(("name", "count"), [("2013-05-01T07:00", 0), ("2013-05-01T08:00", 1), ("2013-05-02T07:00", 1)])
def test_each_row_is_in_its_hour(tmp_path: Path, name: str, count: int) -> None:
    hourly = Cadence(timedelta(hours=1))
    hours = tuple(hourly.within_days(ONE, TWO))
    made = split(files(tmp_path / "a", ROWS), Days(hours, "at", may_be_empty=True), tmp_path / "x", "q")
    assert (len(made), sum(rows for _, rows in made.values())) == (48, 20)
    path, rows = made[hourly.parse(name)]
    assert (rows, [str(row["at"])[:13].replace(" ", "T") for row in pq.read_table(path).to_pylist()]) == (
        count,
        [name[:13]] * count,
    )
    with pytest.raises(DataError, match=r"(?s)rows of days that were not asked for.*Seen: .*2013-05-02 09:00:00"):
        split(files(tmp_path / "b", ROWS), Days(hours[:33], "at", may_be_empty=True), tmp_path / "y", "q")


def test_a_day_without_rows_has_the_columns_of_the_others_or_of_another_day(tmp_path: Path) -> None:
    (path,) = files(tmp_path / "a", [row for row in ROWS if row["at"].day == 1])
    with pytest.raises(DataError, match=r"2013-05-02 has no rows: the warehouse has no rows of it \(q\)"):
        split([path], both(), tmp_path / "x", "q")
    made = split([path], both(may_be_empty=True), tmp_path / "y", "q")
    assert [rows for _, rows in made.values()] == [10, 0]
    assert columns(made[TWO][0]) == columns(made[ONE][0])
    none = split([], both(may_be_empty=True), tmp_path / "z", "q", made[ONE][0])
    assert [rows for _, rows in none.values()] == [0, 0]
    assert columns(none[ONE][0]) == columns(made[ONE][0])
    with pytest.raises(DataError, match="no landed day tells the columns"):
        split([], both(may_be_empty=True), tmp_path / "w", "q")


OTHER = [{**row, "price": str(row["price"])} for row in ROWS[7:]]
NULL = [{**ROWS[0], "at": None}, *ROWS[1:]]


@pytest.mark.parametrize(
    ("parts", "column", "words"),
    [
        ([ROWS[:7], OTHER], "at", "do not have the same columns"),
        ([NULL], "at", "1 rows of days that were not asked for"),
        ([[{**ROWS[0], "at": datetime.combine(date(2013, 5, 3), time())}, *ROWS]], "at", "Seen: .*2013-05-03"),
        ([ROWS], "nobody", "cannot be told apart by the column 'nobody'"),
        ([[{**row, "at": "soon"} for row in ROWS]], "at", "cannot be told apart"),
        ([[{**row, "ID": 1} for row in ROWS]], "at", "one name to SQL"),
    ],
)
def test_what_is_no_partition_is_refused(tmp_path: Path, parts: list[Any], column: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        split(files(tmp_path / "a", *parts), both(column), tmp_path / "x", "the query q")


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    (path,) = files(tmp_path / "a", ROWS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="not whole Parquet"):
        split([path], both(), tmp_path / "x", "q")
