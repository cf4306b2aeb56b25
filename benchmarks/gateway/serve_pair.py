"""The peer: a Ray Serve router deployment that calls a model deployment, as Serve's documentation composes them.

python -m benchmarks.gateway.serve_pair MODEL.onnx --port 8700
"""

from __future__ import annotations

import argparse
import signal
from typing import Any

import numpy as np
import ray
from ray import serve
from starlette.requests import Request


class Model:
    def __init__(self, path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    async def score(self, values: list[float]) -> float:
        return float(self.session.run(None, {"features": np.array([values], np.float32)})[0][0])


class Router:
    def __init__(self, model: Any) -> None:
        self.model = model

    async def __call__(self, request: Request) -> dict[str, float]:
        if request.method == "GET":  # the health check
            return {}
        body = await request.json()
        return {"score": await self.model.score.remote(list(body["features"].values()))}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=8700)
    options = parser.parse_args()
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": options.port})
    model, router = serve.deployment()(Model), serve.deployment()(Router)
    serve.run(router.bind(model.bind(options.model)))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()  # Ray's own function has no annotations
    ray.shutdown()


if __name__ == "__main__":
    main()
