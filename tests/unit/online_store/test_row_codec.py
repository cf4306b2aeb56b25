"""What the online store makes of rows as they come: it packs them, or says which column is wrong."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.errors import DataError
from include.core.spec import Feature, View
from include.core.time import from_microseconds
from include.online_store.layout import Layout, unpack_entities
from include.online_store.row_codec import pack

AT = datetime.fromisoformat("2013-03-01T10:00:00")
VIEW = View(
    name="v", keys=("id",), features=(Feature(name="rate"), Feature(name="n", dtype="int"), Feature(name="c", dtype="category"))
)
LAYOUT = Layout.of("m", VIEW)


def table(**columns: Any) -> pa.Table:
    given = {"id": ["a"], "event_timestamp": pa.array([AT], pa.timestamp("us")), "rate": [0.5], "n": [3], "c": ["é"]}
    return pa.table({**given, **columns})


def values(rows: pa.Table) -> dict[str, Any]:
    (payload,) = pack(LAYOUT, rows, AT).payloads
    return LAYOUT.unpack(payload)


def test_packs_and_unpacks_every_dtype() -> None:
    assert values(table()) == {"rate": 0.5, "n": 3, "c": "é"}
    assert values(table(rate=[None], n=pa.array([None], pa.int64()), c=pa.array([None], pa.string()))) == dict.fromkeys(
        ["rate", "n", "c"]
    )
    assert values(table(rate=[math.nan], n=[math.nan], c=["never seen before " * 99]))["c"] == "never seen before " * 99


def test_many_features_and_many_rows_keep_their_places() -> None:
    view = View(name="wide", keys=("a", "b"), features=tuple(Feature(name=f"f{n}") for n in range(40)))
    layout, count = Layout.of("m", view), 1000
    columns = {f"f{n}": [float(n * row) for row in range(count)] for n in range(40)}
    times = pa.array([AT] * count, pa.timestamp("us"))
    rows = pa.table({"b": [f"b{n % 7}" for n in range(count)], "a": range(count), **columns, "event_timestamp": times})
    packed = pack(layout, rows, AT)
    assert packed.keys[5] == layout.key((5, "b5"))
    assert layout.unpack(packed.payloads[5]) == {f"f{n}": 5.0 * n for n in range(40)}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"rate": ["x"]}, "'rate' is no number"),
        ({"n": [2.5]}, "'n' does not fit a whole number"),
        ({"n": pa.array([2**64 - 1], pa.uint64())}, "'n' does not fit a whole number of 64 bits"),
        ({"n": ["3"]}, "'n' is no whole number"),
        ({"c": [7]}, "'c' is no text"),
        ({"id": [1.5]}, "key 'id' is no whole number"),
        ({"id": [True]}, "key 'id' is neither text nor a whole number"),
        ({"event_timestamp": ["2013-03-01"]}, "'event_timestamp' is no time"),
        ({"event_timestamp": pa.array([None], pa.timestamp("us"))}, "'event_timestamp' must not be null"),
        ({"event_timestamp": pa.array([datetime.now(UTC) + timedelta(hours=2)])}, "ahead of every clock"),
        ({"event_timestamp": pa.array([datetime.fromisoformat("1600-01-01")])}, "before 1653"),
    ],
)
def test_a_wrong_column_is_named_and_nothing_is_written(columns: dict[str, Any], said: str, tmp_path: Path) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")
    with pytest.raises(DataError, match=f"(?s)Rows for the online view 'v'.*{said}"):
        store.write("m", VIEW, table(**columns), AT)
    assert store.count("m", VIEW) == 0


def test_a_missing_column_is_named_and_further_ones_and_their_order_do_not_matter() -> None:
    with pytest.raises(DataError, match="has no column 'n', 'c'"):
        pack(LAYOUT, table().drop_columns(["n", "c"]), AT)
    shuffled = table(more=[1]).select(["more", "c", "event_timestamp", "n", "id", "rate"])
    assert pack(LAYOUT, shuffled, AT) == pack(LAYOUT, table(), AT)


def test_whole_numbers_that_pandas_made_floats_are_whole_numbers_again() -> None:
    rows = table(id=[7.0], n=[4.0])
    assert pack(LAYOUT, rows, AT).keys == [LAYOUT.key((7,))]
    assert values(rows)["n"] == 4


@pytest.mark.parametrize(
    "kind", [pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.timestamp("ns", "America/New_York"), pa.timestamp("s")]
)
def test_a_time_is_its_moment_whatever_its_zone_and_unit(kind: pa.DataType) -> None:
    (event,) = pack(
        LAYOUT, table(event_timestamp=pa.array([AT], pa.timestamp("us")).cast(pa.timestamp("us", "UTC")).cast(kind)), AT
    ).events
    assert from_microseconds(event) == AT


def test_infinity_stays_infinity() -> None:
    assert values(table(rate=[-math.inf]))["rate"] == -math.inf


def test_dictionaries_and_narrow_types_are_what_they_hold() -> None:
    rows = table(id=pa.array(["a"]).dictionary_encode(), c=pa.array(["é"]).dictionary_encode(), n=pa.array([3], pa.int8()))
    assert pack(LAYOUT, rows, AT) == pack(LAYOUT, table(), AT)


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "a\x00b", "\x1f", "\x7f", "é😀", "", "\u2028"])
def test_a_column_of_keys_is_written_as_each_alone(odd: str) -> None:
    """Most texts need no escapes, and go the short way; one that does takes its column through the encoder."""
    view = View(name="pairs", keys=("text", "number"), features=(Feature(name="x"),))
    keys = [(text, number) for number, text in enumerate(["plain", odd, "plain"])]
    columns = {"text": [text for text, _ in keys], "number": [number for _, number in keys], "x": [1.0, 2.0, 3.0]}
    table = pa.table({**columns, "event_timestamp": pa.array([AT] * 3, pa.timestamp("us"))})
    layout = Layout.of("m", view)
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        rows = table.set_column(0, "text", table["text"].cast(kind))
        assert pack(layout, rows, AT).keys == [layout.key(key) for key in keys]


TYPED = View(
    name="typed",
    keys=("id",),
    features=(
        Feature(name="member", dtype="bool"), Feature(name="rate"), Feature(name="review", dtype="text"),
        Feature(name="embedding", dtype="vector[3]"), Feature(name="n", dtype="int"),
    ),
)  # fmt: skip


def typed(**columns: Any) -> pa.Table:
    given: dict[str, Any] = {
        "id": ["a", "b"], "event_timestamp": pa.array([AT, AT], pa.timestamp("us")), "member": [True, None], "rate": [0.5, None],
        "review": ["w\u00f6rter", None], "embedding": pa.array([[0.5, -1.0, 1e9], None], pa.list_(pa.float32())), "n": [7, None],
    }  # fmt: skip
    return pa.table({**given, **columns})


def test_truths_texts_and_vectors_lie_beside_numbers_a_vector_as_four_bytes_a_number() -> None:
    layout = Layout.of("m", TYPED)
    known, unknown = pack(layout, typed(), AT).payloads
    whole = {"member": True, "rate": 0.5, "review": "w\u00f6rter", "embedding": [0.5, -1.0, 1e9], "n": 7}
    assert layout.unpack(known) == whole
    assert layout.unpack(unknown) == dict.fromkeys(whole)
    assert len(known) - len(unknown) == len("w\u00f6rter".encode()) + 4 + 3 * 4 + 4
    rows = [(0, known), (0, unknown)]
    assert unpack_entities([layout], rows, 2, None) == [layout.unpack(payload) for _, payload in rows]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"member": [1, 0]}, "'member' is neither true nor false"),
        ({"embedding": [[1.0, 2.0], None]}, "'embedding' holds vectors of another length than 3"),
        ({"embedding": [1.0, 2.0]}, "'embedding' holds no vectors"),
        ({"embedding": [[1.0, 2.0, math.inf], None]}, "'embedding' holds numbers that are not finite"),
        ({"embedding": [[1.0, 2.0, math.nan], None]}, "'embedding' holds numbers that are not finite"),
        ({"review": [1, 2]}, "'review' is no text"),
    ],
)
def test_a_column_of_another_type_or_length_is_refused_before_anything_is_written(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        pack(Layout.of("m", TYPED), typed(**columns), AT)
