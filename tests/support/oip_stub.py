"""A server of the Open Inference Protocol as strict as tritonserver: about content types, sizes of raw tensors, names and types.

It is written from the protocol alone, and shares no code with what it tests. It scores `parcel`: weight / 10, plus .5 by sea.
"""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np

Tensor = tuple[str, str, list[int]]
WEIGHT, ROUTE = ("weight", "FP32", [-1, 1]), ("route", "BYTES", [-1, 1])
SIZES = {"FP32": 4, "FP64": 8, "INT64": 8, "INT32": 4, "BOOL": 1}
KINDS = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8", "INT32": "<i4", "BOOL": "?"}
TOKEN = "triton-secret"


def parcel_scores(inputs: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    by_sea = np.array([text == "sea" for text in inputs["route"].ravel()])
    weight = inputs["weight"].ravel()
    return {"score": np.clip(np.where(np.isnan(weight), 1, weight) / 10 + 0.5 * by_sea, 0, 1).astype(np.float32)[:, None]}


@dataclass
class Stub:
    """Change its fields while it runs: it does as it is told."""

    inputs: list[Tensor] = field(default_factory=lambda: [ROUTE, WEIGHT])
    outputs: list[Tensor] = field(default_factory=lambda: [("score", "FP32", [-1, 1])])
    score: Callable[[dict[str, Any]], dict[str, np.ndarray[Any, Any]]] = parcel_scores
    model: str = "late"
    versions: tuple[str, ...] = ("1", "3")
    binary: bool = True
    max_batch: int = 8
    delay: float = 0.0  # seconds before each answer of infer
    status: int = 0  # what infer answers instead, if not 0
    echo: str = ""  # the id of its answers, where it is not the request's
    token: str = TOKEN
    batches: list[int] = field(default_factory=list)  # rows of each call that was answered
    calls: int = 0
    port: int = 0

    def __enter__(self) -> Self:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *given: Any) -> None:
                del given

            def do_GET(self) -> None:
                stub.page(self)

            def do_POST(self) -> None:
                stub.infer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *given: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def variable(self) -> dict[str, str]:
        """The connection of the address oip://triton/..."""
        return {"AIRFLOW_CONN_SLIPSTREAM_OIP_TRITON": f"http://:{self.token}@127.0.0.1:{self.port}"}

    # -- the protocol ----------------------------------------------------------------------------------------------------

    def page(self, call: BaseHTTPRequestHandler) -> None:
        if not self._may(call):
            return
        names = [f"/v2/models/{self.model}", *(f"/v2/models/{self.model}/versions/{version}" for version in self.versions)]
        if call.path == "/v2":
            extensions = ["classification", *(["binary_tensor_data"] if self.binary else [])]
            _answer(call, 200, {"name": "triton", "version": "2.50.0", "extensions": extensions})
        elif call.path in names:
            ports = {
                part: [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in tensors]
                for part, tensors in (("inputs", self.inputs), ("outputs", self.outputs))
            }
            _answer(call, 200, {"name": self.model, "versions": [*self.versions], "platform": "pytorch_libtorch", **ports})
        elif call.path.removesuffix("/config") in names:
            _answer(call, 200, {"name": self.model, "max_batch_size": self.max_batch})
        else:
            _answer(call, 404, {"error": f"Request for unknown model: '{call.path}' is not found"})

    def infer(self, call: BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers["Content-Length"]))
        if not self._may(call):
            return
        self.calls += 1
        time.sleep(self.delay)
        if self.status:
            _answer(call, self.status, {"error": "told to"})
            return
        try:
            inputs, asked, version, name = self._decoded(call, body)
            found = self.score(inputs)
        except ValueError as error:
            _answer(call, 400, {"error": str(error)})
            return
        self.batches.append(len(next(iter(inputs.values()))))
        self._respond(call, found, asked, (version, self.echo or name))

    def _may(self, call: BaseHTTPRequestHandler) -> bool:
        if call.headers.get("Authorization") == f"Bearer {self.token}":
            return True
        _answer(call, 401, {"error": "unauthorized"})
        return False

    def _decoded(self, call: BaseHTTPRequestHandler, body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], str, str]:
        start = f"/v2/models/{self.model}/versions/"
        version = call.path.removeprefix(start).removesuffix("/infer")
        _require(call.path.startswith(start) and version in self.versions, f"unknown model: {call.path}")
        length = call.headers.get("Inference-Header-Content-Length")
        kind = "application/json" if length is None else "application/octet-stream"
        _require(call.headers.get("Content-Type") == kind, f"Content-Type must be {kind}")
        _require(length is None or self.binary, "binary data is not supported")
        said = json.loads(body if length is None else body[: int(length)], parse_constant=_no_constant)
        rest = b"" if length is None else body[int(length) :]
        known = {name: (datatype, shape) for name, datatype, shape in self.inputs}
        inputs: dict[str, Any] = {}
        for tensor in said["inputs"]:
            name = tensor["name"]
            _require(name in known, f"unexpected inference input '{name}'")
            _require(tensor["datatype"] == known[name][0], f"inference input '{name}' has another data-type")
            wanted = known[name][1]
            fits = len(tensor["shape"]) == len(wanted) and all(w in (-1, s) for s, w in zip(tensor["shape"], wanted, strict=True))
            _require(fits, f"unexpected shape for input '{name}': {tensor['shape']}")
            array, rest = _values(tensor, rest)
            inputs[name] = array.reshape(tensor["shape"])
        _require(not rest, "unexpected additional input data")
        _require(inputs.keys() == known.keys(), f"expected {len(known)} inputs but got {len(inputs)}")
        rows = {len(array) for array in inputs.values()}
        _require(len(rows) == 1 and max(rows) <= self.max_batch, f"batch size must be <= {self.max_batch}")
        names = [output[0] for output in self.outputs]
        asked = said.get("outputs") or [{"name": name} for name in names]
        _require(all(each["name"] in names for each in asked), "unexpected inference output")
        return inputs, asked, version, str(said.get("id", ""))

    def _respond(
        self,
        call: BaseHTTPRequestHandler,
        found: dict[str, np.ndarray[Any, Any]],
        asked: list[dict[str, Any]],
        named: tuple[str, str],
    ) -> None:
        outputs, rest = [], b""
        for each in asked:
            array = found[each["name"]]
            kind = next(datatype for name, datatype, _ in self.outputs if name == each["name"])
            described: dict[str, Any] = {"name": each["name"], "datatype": kind, "shape": list(array.shape)}
            if (each.get("parameters") or {}).get("binary_data"):
                raw = array.astype(KINDS[kind]).tobytes()
                rest += raw
                described["parameters"] = {"binary_data_size": len(raw)}
            else:
                described["data"] = array.ravel().tolist()
            outputs.append(described)
        head = json.dumps({"model_name": self.model, "model_version": named[0], "id": named[1], "outputs": outputs}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))} if rest else {}
        _send(call, 200, head + rest, "application/octet-stream" if rest else "application/json", headers)


def _values(tensor: dict[str, Any], rest: bytes) -> tuple[np.ndarray[Any, Any], bytes]:
    count, kind = int(np.prod(tensor["shape"])), tensor["datatype"]
    size = (tensor.get("parameters") or {}).get("binary_data_size")
    if size is None:
        _require(len(tensor["data"]) == count and None not in tensor["data"], f"unable to parse data of {tensor['name']}")
        return np.array(tensor["data"], dtype=object if kind == "BYTES" else KINDS[kind]), rest
    raw, rest = rest[:size], rest[size:]
    _require(len(raw) == size, "binary data is cut short")
    if kind != "BYTES":
        _require(size == count * SIZES[kind], f"unexpected size for input '{tensor['name']}'")
        return np.frombuffer(raw, KINDS[kind]), rest
    texts = []
    while raw:
        (length,) = struct.unpack_from("<I", raw)
        texts.append(raw[4 : 4 + length].decode())
        raw = raw[4 + length :]
    _require(len(texts) == count, f"unexpected number of string elements {len(texts)}")
    return np.array(texts, dtype=object), rest


def _no_constant(name: str) -> None:
    raise ValueError(f"failed to parse the request JSON buffer: {name}")


def _require(met: bool, words: str) -> None:
    if not met:
        raise ValueError(words)


def _answer(call: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    _send(call, status, json.dumps(body).encode(), "application/json", {})


def _send(call: BaseHTTPRequestHandler, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
    try:
        call.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            call.send_header(name, value)
        call.end_headers()
        call.wfile.write(body)
    except OSError:  # whoever asked has left
        call.close_connection = True
