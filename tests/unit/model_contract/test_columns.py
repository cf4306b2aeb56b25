"""Columns: what a row at serving gets is what it would have got in training, for texts, truths and vectors as for numbers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.model_contract.batch import Columns
from include.model_contract.columns import columns_of_rows, columns_of_table
from include.model_contract.encoder import Encoder
from include.model_contract.input import Input

NAN = float("nan")
INPUTS = (
    Input("price", "float"),
    Input("weight", "float", 2.5),
    Input("seats", "int"),
    Input("stops", "int", 3),
    Input("member", "bool"),
    Input("returned", "bool", True),
    Input("colour", "category", None, ("blue", "red")),
    Input("engine", "category", "jet", ("jet",)),
    Input("review", "text"),
    Input("title", "text", "none"),
    Input("embedding", "vector[3]"),
    Input("zero", "vector[2]", (0.0, 0.0)),
)
TYPES = {
    "price": pa.float64(), "weight": pa.float64(), "seats": pa.int64(), "stops": pa.int64(), "member": pa.bool_(),
    "returned": pa.bool_(), "embedding": pa.list_(pa.float32()), "zero": pa.list_(pa.float32(), 2),
}  # fmt: skip


def random_row(chance: random.Random) -> dict[str, Any]:
    choose = chance.choice
    vectors = {"embedding": [chance.random() for _ in range(3)], "zero": [1.0, -1.0]}
    return {
        "price": choose([None, NAN, 1e-9, 3.25]), "weight": choose([None, NAN, 7.0]), "seats": choose([None, 4, 2**24 + 1]),
        "stops": choose([None, 2**53 + 1, 0]), "member": choose([None, True, False]), "returned": choose([None, True, False]),
        "colour": choose([None, "blue", "green", ""]), "engine": choose([None, "jet", "prop"]),
        "review": choose([None, "", "wörter \N{SNOWMAN}"]), "title": choose([None, "a"]),
        **{name: choose([None, value]) for name, value in vectors.items()},
    }  # fmt: skip


def same(one: Columns, other: Columns) -> None:
    assert one.names == other.names
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_rows_and_tables_give_the_same_columns_to_the_bit() -> None:
    chance = random.Random(11)
    rows = [random_row(chance) for _ in range(400)]
    table = pa.table({each.name: pa.array([r[each.name] for r in rows], TYPES.get(each.name, pa.string())) for each in INPUTS})
    same(columns_of_rows(rows, INPUTS), columns_of_table(table, INPUTS))
    same(columns_of_table(table, INPUTS)[7:9], columns_of_table(table.slice(7, 2), INPUTS))


def test_what_is_missing_is_its_default_else_nan_or_empty() -> None:
    columns = columns_of_rows([{}], INPUTS)
    kinds = {name: array.dtype.name for name, array in columns.items()}
    assert kinds == {
        "price": "float32", "weight": "float32", "seats": "float32", "stops": "int64", "member": "float32", "returned": "bool",
        "colour": "object", "engine": "object", "review": "object", "title": "object", "embedding": "float32", "zero": "float32",
    }  # fmt: skip
    known = {name: array.tolist() for name, array in columns.items() if not (kinds[name] == "float32" and np.isnan(array).any())}
    assert known == {
        "weight": [2.5], "stops": [3], "returned": [True], "colour": [""], "engine": ["jet"], "review": [""], "title": ["none"],
        "zero": [[0.0, 0.0]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("embedding", [1.0, 2.0], "embedding is a vector of 3 numbers"),
        ("embedding", "abc", "Not a vector: embedding"),
        ("embedding", [[1.0, 2.0, 3.0]], "embedding is a vector of 3 numbers"),
        ("review", 7, "Not a text: review"),
        ("price", "dear", "Not a number: price"),
        ("stops", [1], "Not a number: stops"),
    ],
)
def test_a_value_of_another_type_is_named(name: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        columns_of_rows([{name: value}], INPUTS)


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("embedding", pa.array([[1.0, 2.0]]), "vectors of another length than 3"),
        ("embedding", pa.array([1.0]), "'embedding' holds no vectors"),
        ("embedding", pa.array([["a", "b", "c"]]), "vectors of what is no number"),
        ("price", pa.array(["dear"]), "'price' is not numeric"),
        ("review", pa.array([[1]]), "'review' is no text"),
    ],
)
def test_a_column_of_another_type_is_named(name: str, column: pa.Array, message: str) -> None:
    whole = {each.name: pa.nulls(1, TYPES.get(each.name, pa.string())) for each in INPUTS}
    with pytest.raises(DataError, match=message):
        columns_of_table(pa.table({**whole, name: column}), INPUTS)


def test_in_one_tensor_a_truth_is_a_number_a_vector_takes_its_places_and_a_text_has_none() -> None:
    inputs = (Input("a", "float"), Input("v", "vector[2]"), Input("truth", "bool"), Input("c", "category", None, ("x",)))
    encoder = Encoder(inputs)
    assert encoder.places == ("a", "v[0]", "v[1]", "truth", "c")
    assert (encoder.width, encoder.code_places, encoder.blocks[1]) == (5, [4], slice(1, 3))
    rows: list[dict[str, Any]] = [
        {"a": 1.0, "v": [2.0, 3.0], "truth": True, "c": "x"},
        {"a": None, "v": None, "truth": None, "c": None},
        {"a": 0.5, "v": (NAN, 1.0), "truth": False, "c": "y"},
    ]
    kinds = {"v": pa.list_(pa.float32()), "truth": pa.bool_()}
    table = pa.table({each.name: pa.array([row[each.name] for row in rows], kinds.get(each.name)) for each in inputs})
    wanted = np.array([[1, 2, 3, 1, 1], [NAN, NAN, NAN, NAN, 0], [0.5, NAN, 1, 0, 0]], np.float32)
    np.testing.assert_array_equal(encoder.encode_table(table), wanted)
    np.testing.assert_array_equal(encoder.encode_rows(rows), wanted)
    np.testing.assert_array_equal([encoder.encode_row(row) for row in rows], wanted)
    texts = Encoder((*inputs, Input("review", "text")))
    for encode in (lambda: texts.encode_row({}), lambda: texts.encode_rows([{}]), lambda: texts.encode_table(table)):
        with pytest.raises(DataError, match=r"cannot read text: review"):
            encode()
    assert texts.encode_matrix(table).shape == (3, 5)


def test_a_signature_says_its_form_only_where_it_is_columns() -> None:
    assert "form" not in Encoder(INPUTS).to_json()
    columns = Encoder(INPUTS, "y", "columns")
    assert columns.to_json()["form"] == "columns"
    assert Encoder.from_json(columns.to_json()) == columns
    with pytest.raises(DataError, match="a form of inputs that is not known"):
        Encoder.from_json({**columns.to_json(), "form": "graph"})
