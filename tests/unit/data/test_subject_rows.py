"""A subject's rows in a table: which they are, and the table without them or with masks."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.subject import Fingerprint, Subject
from include.data.subject_rows import Columns, masked, rows_of, without, written

PRINTS = Fingerprint(b"k" * 32)
COLUMNS = Columns.of("m", ["who", "where"], {"who": "Passenger", "request_id": "id"}, raw=True)


def subject(**keys: str) -> Subject:
    return Subject.of(PRINTS, keys)


def chosen(table: pa.Table, who: Subject, columns: Columns = COLUMNS) -> list[int] | None:
    mask = rows_of(table, columns, who)
    return None if mask is None else [place for place, each in enumerate(mask.to_pylist()) if each]


def test_all_of_the_keys_have_to_fit_whatever_the_columns_are_called() -> None:
    table = pa.table({"passenger": [1, 1, 2, None], "where": ["a", "b", "a", "a"]})
    assert chosen(table, subject(who="1")) == [0, 1]
    assert chosen(table, subject(who="1", where="a")) == [0]
    assert chosen(table.drop_columns("where"), subject(who="1", where="a")) is None, "of another entity, which is wider"
    assert chosen(pa.table({"x": [1]}), subject(who="1")) is None


def test_rows_of_its_requests_are_its_rows() -> None:
    who = subject(who="1")
    who.note("m", ["r1", 7])
    assert chosen(pa.table({"id": ["r1", "r2", "7"]}), who) == [0, 2]
    assert chosen(pa.table({"id": ["r1"], "passenger": [2]}), who) == [0]
    assert chosen(pa.table({"id": ["r1"]}), who, Columns.of("another", ["who"], {"request_id": "id"}, raw=True)) == []
    who.by_id = False
    assert chosen(pa.table({"id": ["r1"]}), who) is None


def test_of_two_names_the_specs_counts_in_raw_tables_and_the_keys_own_elsewhere() -> None:
    table = pa.table({"who": ["x", "y"], "passenger": ["y", "x"]})
    assert chosen(table, subject(who="x")) == [1]
    assert chosen(table, subject(who="x"), Columns.of("m", ["who"], {"who": "passenger"}, raw=False)) == [0]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.int32(), pa.uint64(), pa.float64(), pa.decimal128(19, 0), pa.binary()]
)
def test_a_key_of_any_type(kind: pa.DataType) -> None:
    values = pa.array(["5", "6"]).cast(pa.int64() if not pa.types.is_binary(kind) else pa.binary()).cast(kind)
    assert chosen(pa.table({"passenger": values}), subject(who="5")) == [0]


def test_without_and_masked() -> None:
    table = pa.table({"passenger": ["a", "b"], "where": pa.array([1, 2], pa.int8()), "rest": [[1], [2]]})
    who = subject(who="a", where="1")
    mask = rows_of(table, COLUMNS, who)
    assert mask is not None
    assert without(table, mask).to_pylist() == [{"passenger": "b", "where": 2, "rest": [2]}]
    assert masked(table, mask, COLUMNS, who).to_pylist()[0] == {"passenger": "forgotten", "where": None, "rest": [1]}
    assert masked(table, mask, COLUMNS, who).to_pylist()[1] == table.to_pylist()[1]


def test_a_file_is_written_as_the_one_it_is_made_from() -> None:
    buffer = io.BytesIO()
    table = pa.table({"a": list(range(10))}).replace_schema_metadata({"kept": "here"})
    pq.write_table(table, buffer, compression="gzip", row_group_size=4)
    metadata = pq.read_metadata(buffer)
    again = pq.ParquetFile(io.BytesIO(written(pq.read_table(buffer), metadata)))
    assert (again.metadata.num_row_groups, again.metadata.row_group(0).column(0).compression) == (3, "GZIP")
    assert again.read().equals(table)
    assert again.schema_arrow.metadata == {b"kept": b"here"}
