"""One encoder: a row at serving gets the numbers it would have got in training."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.spec import Feature
from include.model_contract.encoder import Encoder

NAN = math.nan
INPUTS = (
    Feature(name="temp"),
    Feature(name="gust", default=3.5),
    Feature(name="hour", dtype="int"),
    Feature(name="seats", dtype="int", default=100),
    Feature(name="carrier", dtype="category"),
    Feature(name="engine", dtype="category", default="jet"),
)
TRAIN = pa.table(
    {
        "temp": [1.0, NAN],
        "gust": [2.0, None],
        "hour": pa.array([5, None], pa.int64()),
        "seats": [150, 100],
        "carrier": ["UA", "AA"],
        "engine": ["jet", "prop"],
    }
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.fit(TRAIN, INPUTS, "late")


def test_codes_are_places_in_the_sorted_vocabulary_and_unknown_is_zero(encoder: Encoder) -> None:
    table = pa.table(
        {**{f.name: pa.nulls(4, pa.float64()) for f in INPUTS[:4]}, "carrier": ["AA", "UA", "ZZ", None], "engine": ["jet"] * 4}
    )
    assert encoder.encode_table(table)[:, 4].tolist() == [1.0, 2.0, 0.0, 0.0]
    assert [each.cardinality for each in encoder.inputs] == [0, 0, 0, 0, 3, 3]


def test_missing_values_become_the_default_or_nan_or_unknown(encoder: Encoder) -> None:
    assert encoder.encode_row({}) == pytest.approx([NAN, 3.5, NAN, 100.0, 0.0, 1.0], nan_ok=True)
    assert encoder.encode_row({"gust": NAN, "engine": "rocket"})[1::4] == [3.5, 0.0]


def random_row(chance: random.Random) -> dict[str, Any]:
    return {
        "temp": chance.choice([None, NAN, 0.0, -1e9, 1e-9, chance.random(), math.inf]),
        "gust": chance.choice([None, NAN, 7.25]),
        "hour": chance.choice([None, 0, 23, -1]),
        "seats": chance.choice([None, 2**24 + 1, 9]),
        "carrier": chance.choice([None, "AA", "UA", "", "aa", "é"]),
        "engine": chance.choice([None, "jet", "prop", "?"]),
    }


def test_row_and_table_agree_to_the_bit(encoder: Encoder) -> None:
    chance = random.Random(3)
    rows = [random_row(chance) for _ in range(2000)]
    types = {"temp": pa.float64(), "gust": pa.float64(), "hour": pa.int64(), "seats": pa.int64()}
    table = pa.table({f.name: pa.array([row[f.name] for row in rows], types.get(f.name, pa.string())) for f in INPUTS})
    one_by_one = np.array([encoder.encode_row(row) for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(encoder.encode_table(table), one_by_one)


def test_dictionary_columns_and_slices_are_read_alike(encoder: Encoder) -> None:
    table = TRAIN.set_column(4, "carrier", TRAIN["carrier"].dictionary_encode())
    np.testing.assert_array_equal(encoder.encode_table(table.slice(1)), encoder.encode_table(TRAIN)[1:])
    assert Encoder.fit(table, INPUTS, "late") == encoder


def test_the_signature_survives_json_and_encodes_the_same(encoder: Encoder) -> None:
    signature = json.loads(json.dumps(encoder.to_json(), allow_nan=False))
    assert signature["inputs"][4] == {"name": "carrier", "dtype": "category", "default": None, "categories": ["AA", "UA"]}
    assert (signature["output"], signature["label"]) == ("score", "late")
    assert Encoder.from_json(signature) == encoder
    np.testing.assert_array_equal(Encoder.from_json(signature).encode_table(TRAIN), encoder.encode_table(TRAIN))


def test_the_schema_digest_tells_names_order_and_types_apart_but_not_vocabularies(encoder: Encoder) -> None:
    fewer = Encoder.fit(TRAIN.slice(0, 1), INPUTS)
    assert fewer.schema == encoder.schema
    assert len({encoder.schema, Encoder.fit(TRAIN, INPUTS[:-1]).schema, Encoder.fit(TRAIN, INPUTS[::-1]).schema}) == 3


def test_an_edited_signature_is_refused(encoder: Encoder) -> None:
    signature = encoder.to_json()
    signature["inputs"][0]["name"] = "temperature"
    with pytest.raises(DataError, match="do not match its schema digest"):
        Encoder.from_json(signature)


def test_bad_values_are_named(encoder: Encoder) -> None:
    with pytest.raises(DataError, match=r"Not a number: hour\.") as caught:
        encoder.encode_row({"temp": 1, "hour": "five", "carrier": "AA"})
    assert caught.value.seen == {"hour": "five"}
    with pytest.raises(DataError, match="no column 'gust'"):
        encoder.encode_table(TRAIN.drop_columns("gust"))
    with pytest.raises(DataError, match="'temp' is not numeric"):
        encoder.encode_table(TRAIN.set_column(0, "temp", pa.array(["warm", "cold"])))


def test_many_rows_at_once_get_the_numbers_of_each_row(encoder: Encoder) -> None:
    draw = random.Random(5)
    numbers = [None, NAN, 0, -3, 2**53 + 1, 1e300, 0.1, True]
    texts = [None, "AA", "UA", "jet", "prop", "never seen"]
    rows = [
        {each.name: draw.choice(texts if each.dtype == "category" else numbers) for each in encoder.inputs} for _ in range(300)
    ]
    with np.errstate(over="ignore"):
        one_by_one = np.array([encoder.encode_row(row) for row in rows], dtype=np.float32)
        assert np.array_equal(encoder.encode_rows(rows), one_by_one, equal_nan=True)
    numeric = Encoder(tuple(each for each in encoder.inputs if each.dtype != "category" and each.default is None))
    assert np.array_equal(
        numeric.encode_rows(rows[:3]), np.array([numeric.encode_row(row) for row in rows[:3]], np.float32), equal_nan=True
    )
    with pytest.raises(DataError, match="temp"):
        encoder.encode_rows([{**rows[0], "temp": "warm"}])
