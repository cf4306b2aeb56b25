"""What a person writes of a remote model, and what is kept of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.core.errors import DataError, PermanentError
from include.model_contract.model import is_remote, open_model
from include.model_contract.remote import KEY, REMOTE, Address, Port, Remote, model_file
from tests.support.error_message import assert_says

KEPT = Remote(
    "triton", "late flights", "3", "pytorch_libtorch", "tensor", (Port("x", "FP32", (-1, 4)),), (Port("y", "FP32", (-1,)),)
)  # fmt: skip


def test_an_address_names_a_connection_a_model_and_what_is_asked_of_it() -> None:
    read = Address.parse("oip://triton/late%20flights/versions/3?timeout_ms=80&max_batch=16")
    assert read == Address("triton", "late flights", "3", 80, 16)
    assert read.connection == "slipstream_oip_triton"
    assert Address.parse("oip://slipstream_oip_triton/late") == Address("triton", "late")


@pytest.mark.parametrize(
    "text",
    [
        "oip://triton", "oip:///late", "oip://triton/late/3", "oip://tri-ton/late", "http://triton/late",
        "oip://triton/late?timeout_ms=0", "oip://triton/late?timeout_ms=soon", "oip://triton/late?token=abc",
        "oip://triton/late?max_batch=99999",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(DataError) as refused:
        Address.parse(text)
    assert_says(refused.value)


def test_a_login_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(DataError) as refused:
        Address.parse("oip://:hunter2@triton/late")
    assert "hunter2" not in str(refused.value)


def test_a_record_is_read_back_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_text(json.dumps(KEPT.to_json(), separators=(",", ":")))
    assert is_remote(path)
    assert Remote.from_json(json.loads(path.read_text())) == KEPT
    assert (KEPT.address, KEPT.path) == ("oip://triton/late%20flights/versions/3", "/v2/models/late%20flights/versions/3")
    assert model_file({"signature.json", REMOTE}) == REMOTE
    assert model_file({"signature.json", "model.onnx"}) == "model.onnx"


def test_a_record_of_a_later_release_or_a_broken_one_is_refused() -> None:
    body = KEPT.to_json()[KEY]
    with pytest.raises(PermanentError, match="version 9"):
        Remote.from_json({KEY: {**body, "v": 9}})
    with pytest.raises(DataError, match="register the model again"):
        Remote.from_json({KEY: {**body, "inputs": [{"name": "x"}]}})


def test_a_process_without_the_connection_says_which(tmp_path: Path) -> None:
    path = tmp_path / REMOTE
    path.write_text(json.dumps(KEPT.to_json(), separators=(",", ":")))
    with pytest.raises(DataError) as refused:
        open_model(path, {})
    assert_says(refused.value, "slipstream_oip_triton", "AIRFLOW_CONN_SLIPSTREAM_OIP_TRITON")
