"""The bare app that the gateway is held against: raw ASGI, msgspec, the same ONNX session, and nothing else.

    python -m benchmarks.gateway.bare MODEL.onnx --port 8600

One parse, one run, one encode. No routing, no metrics, no log, no shadow, no features, no errors for callers.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import uvicorn

from benchmarks.gateway.world import WIDTH

FIELDS = [(f"f{n}", float, 0.0) for n in range(WIDTH)]
Values = msgspec.defstruct("Values", FIELDS, gc=False)


class Ask(msgspec.Struct, gc=False):
    features: Values  # type: ignore[valid-type]


class Answer(msgspec.Struct, gc=False):
    score: float


def bare_app(path: str) -> Callable[..., Awaitable[None]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    run = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run
    decode = msgspec.json.Decoder(Ask).decode
    encode = msgspec.json.Encoder().encode
    astuple = msgspec.structs.astuple

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        if not body:  # the health check
            await reply(send, b"{}")
            return
        row = np.array([astuple(decode(body).features)], np.float32)
        await reply(send, encode(Answer(float(run(None, {"features": row})[0][0]))))

    return app


async def reply(send: Any, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=8600)
    options = parser.parse_args()
    uvicorn.run(
        bare_app(options.model), host="127.0.0.1", port=options.port, loop="uvloop", http="httptools", ws="none",
        lifespan="off", access_log=False, log_config=None, server_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
