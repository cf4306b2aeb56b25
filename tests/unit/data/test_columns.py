"""One reader for what others wrote: paths that are no patterns, pages that match their checksums, one table of types."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from include.core.errors import DataError
from include.data import sql
from include.data.columns import culprit, rows, same, stored
from include.data.pages import damage
from include.data.raw import check_readable
from include.row_rules.expectation import Expectation
from include.validation.batch import Batch, open_database
from include.validation.scan import check_batch, scan_batch
from include.validation.verdict import Check
from tests.support.later import Later

library = Later("include.backends.great_expectations.expectations")
MOMENT = datetime(2013, 1, 1, 12)  # noqa: DTZ001


@pytest.mark.parametrize("name", ["a [p]", "a*p", "a?p", "{a,p}", "o'p", 'say "p"', "date=2013-01-01", "a\\p"])
def test_a_path_is_read_and_written_as_it_stands(name: str, tmp_path: Path) -> None:
    for folder in (name, "a p", "axp"):
        (tmp_path / folder).mkdir()
        duckdb.execute(sql.copy(f"SELECT {sql.literal(folder)} AS v", tmp_path / folder / "x.parquet"))
    assert duckdb.sql(f"FROM {sql.parquet([tmp_path / name / 'x.parquet'])}").fetchall() == [(name,)]


def damaged(path: Path) -> None:
    values = np.full(1000, 12.5)
    values[::2] = 7.25
    pq.write_table(pa.table({"price": values}), path, compression="none", use_dictionary=False, write_page_checksum=True)
    check_readable(path, "It")
    data = bytearray(path.read_bytes())
    data[data.index(np.array([7.25, 12.5, 7.25]).tobytes()) + 14] ^= 0x40
    path.write_bytes(data)


def test_a_page_that_does_not_match_its_checksum_is_refused_with_its_column(tmp_path: Path) -> None:
    damaged(path := tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"column 'price', row group 0: the checksum of a page does not match"):
        check_readable(path, "It")


@pytest.mark.parametrize("options", [{}, {"data_page_version": "2.0"}, {"compression": "zstd"}, {"row_group_size": 70}])
@pytest.mark.parametrize("checked", [True, False])
def test_whole_files_pass_whatever_their_pages(options: dict[str, object], checked: bool, tmp_path: Path) -> None:
    table = pa.table({"s": [f"k{n % 7}" for n in range(500)], "x": [None, *map(float, range(499))], "l": [[1, 2]] * 500})
    pq.write_table(table, path := tmp_path / "x.parquet", write_page_checksum=checked, data_page_size=300, **options)
    check_readable(path, "It")


@pytest.mark.parametrize("second", ["x", "X"])
def test_two_columns_of_one_name_are_refused(second: str, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", second]), path := tmp_path / "x.parquet")
    with pytest.raises(DataError, match="2 columns that are one name"):
        check_readable(path, "It")


@pytest.mark.parametrize(
    ("column", "read"),
    [
        (pa.array(["a"], pa.large_string()), "a"),
        (pa.array(["a"], pa.string_view()), "a"),
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.array([MOMENT], pa.timestamp("ns")), MOMENT),
        (pa.array([MOMENT], pa.timestamp("ms", "UTC")), MOMENT),
        (pa.array([MOMENT], pa.timestamp("ns", "America/New_York")), MOMENT),
        (pa.array([date(2013, 1, 1)], pa.date32()), MOMENT.replace(hour=0)),
        (pa.array([7]).cast(pa.decimal128(38, 0)), 7),
        (pa.array([7]).cast(pa.decimal128(38, 2)), 7.0),
        (pa.array([1.5], pa.float32()).cast(pa.float16()), 1.5),
        (pa.nulls(1), None),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_each_encoding_is_read_as_its_one_type(column: pa.Array, read: object, tmp_path: Path) -> None:
    pq.write_table(pa.table({"c": column}), path := tmp_path / "x.parquet")
    connection = duckdb.connect()
    assert connection.sql(f"FROM {rows([path], stored(connection, path))}").fetchall() == [(read,)]


def test_columns_of_the_readers_own_names_stay_the_authors(tmp_path: Path) -> None:
    pq.write_table(pa.table({"filename": ["f", "g"], "file_row_number": [9, 8]}), path := tmp_path / "x.parquet")
    connection = duckdb.connect()
    found = connection.sql(f"FROM {rows([path], stored(connection, path), numbered=True)}").fetchall()
    assert found == [("f", 9, 0), ("g", 8, 1)]


def test_a_time_beyond_the_calendar_is_an_error_that_names_its_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": pa.array([2**61], pa.timestamp("us"))}), path := tmp_path / "x.parquet")
    connection = duckdb.connect()
    types = stored(connection, path)
    with pytest.raises(duckdb.Error, match="'t' holds a time outside the years"):
        connection.sql(f"FROM {rows([path], types)}").fetchall()
    assert "column 't'" in culprit(connection, path, types)


def test_the_type_of_a_column_over_days() -> None:
    assert same(["BIGINT", "DOUBLE", '"NULL"']) == "DOUBLE"
    assert same(["DATE", "TIMESTAMP_NS"]) == "TIMESTAMP"
    assert same(["INTEGER", "BIGINT"]) == "BIGINT"
    assert same(["VARCHAR", "BIGINT"]) is None


class Keys(encryption.KmsClient):
    """Wraps keys by writing them down: enough to make a file that is really encrypted."""

    def __init__(self, _: object) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, master: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: bytes, master: str) -> bytes:
        return base64.b64decode(wrapped)


@pytest.mark.parametrize("plain_footer", [True, False])
def test_an_encrypted_file_is_refused_and_ends_no_process(tmp_path: Path, plain_footer: bool) -> None:
    how = encryption.EncryptionConfiguration(footer_key="f", column_keys={"k": ["a"]}, plaintext_footer=plain_footer)
    made = encryption.CryptoFactory(Keys).file_encryption_properties(encryption.KmsConnectionConfig(), how)
    pq.write_table(pa.table({"a": ["x"], "b": [1]}), path := tmp_path / "part.parquet", encryption_properties=made)
    with pytest.raises(DataError, match=r"encrypted, and we have no key"):
        check_readable(path, "The partition")


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("way", [check_batch, scan_batch])
def test_text_that_is_no_utf8_is_reported_with_its_column_and_only_where_a_rule_reads_it(
    tmp_path: Path, dictionary: bool, way: Callable[..., list[Check]]
) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"fine", b"\xff\xfe"], pa.binary()).buffers())
    pq.write_table(pa.table({"s": bad, "n": [1, 2]}), path := tmp_path / "part.parquet", use_dictionary=dictionary)
    check_readable(path, "The partition")
    batch = Batch("things", path, open_database())
    (other,) = way("other", batch, [Expectation("ExpectColumnValuesToNotBeNull", column="n")], library.open_expectations())
    assert other.success
    with pytest.raises(DataError, match=r"(?s)column 's'.*not valid UTF8"):
        way(
            "own",
            batch,
            [Expectation("ExpectColumnValuesToBeInSet", column="s", value_set=["fine"])],
            library.open_expectations(),
        )
    rule = Expectation("ExpectColumnValuesToNotBeNull", column="s", on_failure="quarantine")
    with pytest.raises(DataError, match=r"(?s)column 's'.*not valid UTF8"):
        batch.quarantine([rule], tmp_path / "bad.parquet")


@pytest.mark.parametrize("values", [[[1], None], [{"a": 1}, None], [b"x", None]], ids=["list", "struct", "binary"])
def test_a_rule_about_a_column_that_no_rule_can_judge_is_refused_with_its_type(tmp_path: Path, values: list[Any]) -> None:
    pq.write_table(pa.table({"s": values}), path := tmp_path / "part.parquet")
    with pytest.raises(DataError, match=r"has column 's' as .*expected a type that rules can judge"):
        Batch("things", path, open_database()).check_schema([Expectation("ExpectColumnValuesToNotBeNull", column="s")])


@pytest.mark.parametrize(("claimed", "words"), [(2**40, "rows in"), (5, "its row groups 3")])
def test_a_footer_that_claims_other_rows_than_it_can_have_is_refused_at_once(tmp_path: Path, claimed: int, words: str) -> None:
    pq.write_table(pa.table({"n": [1, 2, 3]}), path := tmp_path / "part.parquet")
    real = pq.read_metadata(path)
    groups = [SimpleNamespace(num_rows=claimed if claimed > 5 else 3)]
    footer = SimpleNamespace(
        num_rows=claimed, num_row_groups=1, num_columns=1, row_group=lambda at: groups[at], serialized_size=real.serialized_size
    )
    assert words in damage(path, footer)
