"""Run in an environment with tritonclient[http]: every call it has, against a gateway. Arguments: HOST:PORT MODEL.

The model scores `heat`, the first of its three inputs; version 1 scores .1 whatever comes.
"""

# ruff: noqa: PT017 - there is no pytest where this runs

from __future__ import annotations

import itertools
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

ENCODINGS = (None, "gzip", "deflate")


def features(rows: int, *, binary: bool) -> tuple[np.ndarray, list[triton.InferInput]]:
    values = np.linspace(0, 1, 3 * rows, dtype=np.float32).reshape(rows, 3)
    tensor = triton.InferInput("features", [rows, 3], "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    return values[:, 0], [tensor]


def columns(*, binary: bool) -> list[triton.InferInput]:
    given = {
        "heat": ("FP64", np.array([0.25, 0.75])),
        "colour": ("BYTES", np.array(["red", "grün"], dtype=object)),
        "size": ("FP64", np.array([1.0, 2.0])),
    }
    tensors = []
    for name, (datatype, values) in given.items():
        tensor = triton.InferInput(name, [2], datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return tensors


def refused(call: object, *arguments: object, says: str, **named: object) -> None:
    try:
        call(*arguments, **named)  # type: ignore[operator]
    except InferenceServerException as error:
        assert says in error.message(), error.message()
    else:
        raise AssertionError(f"not refused: {says}")


def main(address: str, model: str) -> None:
    client = triton.InferenceServerClient(address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    assert client.is_model_ready(model, "2")
    assert not client.is_model_ready(model, "77")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.get_model_metadata(model, "2")["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}]

    for rows, binary, answer, sent, back in itertools.product((1, 900), (True, False), (True, False), ENCODINGS, ENCODINGS):
        expected, inputs = features(rows, binary=binary)
        result = client.infer(
            model, inputs, model_version="2", outputs=[triton.InferRequestedOutput("score", binary_data=answer)], request_id="q",
            request_compression_algorithm=sent, response_compression_algorithm=back,
        )  # fmt: skip
        np.testing.assert_allclose(result.as_numpy("score"), expected, rtol=1e-6)
        assert (result.get_response()["id"], result.get_response()["model_version"]) == ("q", "2")
    for binary in (True, False):
        result = client.infer(model, columns(binary=binary), model_version="2")  # no outputs named: all of them, binary
        np.testing.assert_allclose(result.as_numpy("score"), [0.25, 0.75], rtol=1e-6)
    np.testing.assert_allclose(client.infer(model, features(2, binary=True)[1]).as_numpy("score"), [0.1, 0.1])  # the champion
    pending = [client.async_infer(model, features(3, binary=True)[1], model_version="2") for _ in range(5)]
    assert all(each.get_result().as_numpy("score").shape == (3,) for each in pending)

    told = client.infer(model, features(2, binary=True)[1], parameters={"explain": False})
    assert [output["name"] for output in told.get_response()["outputs"]] == ["score"]
    refused(client.infer, model, features(1, binary=True)[1], parameters={"explain": True}, says="not explained")

    refused(client.infer, "nobody", features(1, binary=True)[1], says="not served here")
    refused(client.infer, model, features(1, binary=True)[1], model_version="77", says="no such version")
    refused(client.get_model_metadata, "nobody", says="not served here")
    nan = triton.InferInput("features", [1, 3], "FP32")
    nan.set_data_from_numpy(np.full((1, 3), np.nan, np.float32))
    refused(client.infer, model, [nan], says="finite")
    wide = triton.InferInput("features", [1, 4], "FP32")
    wide.set_data_from_numpy(np.zeros((1, 4), np.float32))
    refused(client.infer, model, [wide], says="shape")
    refused(client.infer, model, [nan], outputs=[triton.InferRequestedOutput("colour")], says="")
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("all calls answered")
