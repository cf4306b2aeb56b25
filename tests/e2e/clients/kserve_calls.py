"""Run in an environment with kserve: its REST client against a gateway. Arguments: URL MODEL.

The model's champion scores .1 whatever comes.
"""

# ruff: noqa: PT017 - there is no pytest where this runs

from __future__ import annotations

import asyncio
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def request(model: str, rows: int, *, binary_in: bool, binary_out: bool) -> InferRequest:
    tensor = InferInput("features", [rows, 3], "FP32")
    tensor.set_data_from_numpy(np.ones((rows, 3), np.float32), binary_data=binary_in)
    output = RequestedOutput("score", parameters={"binary_data": binary_out})
    return InferRequest(model, [tensor], request_id="q", request_outputs=[output])


async def main(url: str, model: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, model)
    for rows in (1, 900):
        for binary_in in (True, False):
            for binary_out in (True, False):
                asked = request(model, rows, binary_in=binary_in, binary_out=binary_out)
                answer = await client.infer(url, asked, model_name=model)
                np.testing.assert_allclose(answer.outputs[0].as_numpy(), np.full(rows, 0.1), rtol=1e-6)
                assert (answer.id, answer.model_name) == ("q", model)
    plain = {"inputs": [{"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [0.1, 0.2, 0.3]}]}
    assert (await client.infer(url, plain, model_name=model)).outputs[0].data == [0.10000000149011612]
    try:
        await client.infer(url, plain, model_name="nobody")
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404
        assert "not served here" in str(error)
    else:
        raise AssertionError("an unknown model was not refused")
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    print("all calls answered")
