"""Columns of every type over the Open Inference Protocol: what a model gets of them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from include.core.spec import Feature
from include.model_contract.batch import Columns
from include.model_contract.encoder import Encoder, Form, Input
from include.serving.http.request_error import RequestError
from include.serving.models.loaded_model import LoadedModel
from include.serving.prediction.infer import _rows
from include.serving.prediction.tensor import decode_request

FEATURES = (
    Feature(name="price"), Feature(name="member", dtype="bool"), Feature(name="review", dtype="text"),
    Feature(name="embedding", dtype="vector[2]"),
)  # fmt: skip
TENSORS: dict[str, dict[str, Any]] = {
    "price": {"shape": [2], "datatype": "FP64", "data": [1.5, None]},
    "member": {"shape": [2, 1], "datatype": "BOOL", "data": [True, None]},
    "review": {"shape": [2], "datatype": "BYTES", "data": ["fits", None]},
    "embedding": {"shape": [2, 2], "datatype": "FP32", "data": [[0.5, 1.0], [None, None]]},
}


@dataclass
class Nothing:
    def score(self, features: object) -> Any:
        raise AssertionError


def loaded(form: Form, features: tuple[Feature, ...]) -> LoadedModel:
    encoder = Encoder(tuple(Input(each.name, each.dtype, each.default) for each in features), "y", form)
    return LoadedModel(1, "", encoder, Nothing(), encoder.width)


def rows(tensors: dict[str, dict[str, Any]], form: Form = "columns", features: tuple[Feature, ...] = FEATURES) -> Any:
    one_shape = {name: dict(tensor) for name, tensor in tensors.items()}
    body = json.dumps({"inputs": [{"name": name, **tensor} for name, tensor in one_shape.items()]}).encode()
    return _rows(decode_request(body, None), loaded(form, features), features)


def changed(name: str, **change: Any) -> dict[str, dict[str, Any]]:
    one_shape = {each: {**tensor, "shape": [2] if each != "embedding" else [2, 2]} for each, tensor in TENSORS.items()}
    return {**one_shape, name: {**one_shape[name], **change}}


def test_columns_of_every_type_reach_a_model_that_takes_columns() -> None:
    found = rows(changed("price"))
    assert isinstance(found, Columns)
    assert found["review"].tolist() == ["fits", ""]
    np.testing.assert_array_equal(found["embedding"], np.array([[0.5, 1.0], [np.nan, np.nan]], np.float32))
    np.testing.assert_array_equal(found["member"], np.array([1.0, np.nan], np.float32))


def test_one_tensor_is_made_of_columns_where_the_model_takes_one() -> None:
    features = tuple(each for each in FEATURES if each.name != "review")
    tensors = {name: tensor for name, tensor in changed("price").items() if name != "review"}
    wanted = np.array([[1.5, 1.0, 0.5, 1.0], [np.nan] * 4], np.float32)
    np.testing.assert_array_equal(rows(tensors, "tensor", features), wanted)
    whole = {"features": {"shape": [1, 4], "datatype": "FP32", "data": [1, 0, 2, 3]}}
    assert rows(whole, "tensor", features).tolist() == [[1, 0, 2, 3]]


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("member", {"data": [1, 0]}, "member"),
        ("member", {"datatype": "FP32", "data": [1, 0]}, "member.datatype"),
        ("review", {"data": ["a", 3]}, "review"),
        ("review", {"data": ["a", "x" * 70_000]}, "review[1]"),
        ("review", {"datatype": "FP32", "data": [1, 0]}, "review.datatype"),
        ("embedding", {"shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}, "embedding.shape"),
        ("embedding", {"shape": [4], "data": [1, 2, 3, 4]}, "embedding.shape"),
        ("embedding", {"shape": [1, 2], "data": [1, 2]}, "inputs"),
        ("embedding", {"data": [1, 2, None, 4]}, "embedding[1]"),
        ("embedding", {"data": [1, 2, 3, 1e39]}, "embedding"),
        ("embedding", {"datatype": "INT64", "data": [1, 2, 3, 4]}, "embedding.datatype"),
    ],
)
def test_a_column_of_another_type_or_shape_is_refused(name: str, change: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        rows(changed(name, **change))
    assert (caught.value.status, caught.value.body["field"]) == (400, field)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xed\xa0\x80"'])
def test_half_a_surrogate_pair_is_refused_beside_a_bare_nan_too(text: bytes) -> None:
    for beside in (b"1.0", b"NaN"):
        body = b'{"inputs": [{"name": "a", "shape": [1], "datatype": "FP32", "data": [' + beside + b"]},"
        body += b'{"name": "b", "shape": [1], "datatype": "BYTES", "data": [' + text + b"]}]}"
        with pytest.raises(RequestError) as caught:
            decode_request(body, None)
        assert caught.value.status == 400


def test_a_model_that_takes_columns_has_no_tensor_of_all_features() -> None:
    with pytest.raises(RequestError) as caught:
        rows({"features": {"shape": [1, 4], "datatype": "FP32", "data": [1, 0, 2, 3]}})
    assert caught.value.body["allowed"] == ["price", "member", "review", "embedding"]
