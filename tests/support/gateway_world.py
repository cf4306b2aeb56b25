"""A small world for gateway tests: a model package, ONNX files, ledger and version rows, a real uvicorn process."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import sqlalchemy as sa
from onnx import TensorProto, helper, numpy_helper

from include.core import tls
from include.core.control import ControlStore, versions
from include.core.digest import PROJECT, digest_json
from include.core.environment import GATEWAY_TLS_CERT
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import timestamp
from include.routing.route import Route, set_route
from include.serving.client import GatewayClient
from tests.support.warm_gateway import NEST, Forked

MODEL = "toy"
FORKED = "warm"  # the host that runs as `include.gateway` does, and is forked
TOKEN = "let-me-in"
INPUTS = (("heat", "float"), ("colour", "category"), ("size", "float"))

SPEC = """
from datetime import date, timedelta
from include.core.spec import Data, Feature, Features, ModelSpec, Rollout, Serving, Training, View

def build(day):
    return {"weather": "SELECT place, heat, event_timestamp FROM things"}


SPEC = ModelSpec(
    name="toy", owner="tests", description="a toy", label="late",
    data=Data(sources=("things",), first=date(2020, 1, 1)),
    features=Features(
        build="things_models.toy.spec:build", entities="x:b", labels="x:c",
        views=(View(name="weather", keys=("place",), features=(Feature(name="heat", default=0.5),), ttl=timedelta(days=2)),),
        request=(Feature(name="colour", dtype="category"), Feature(name="size")),
    ),
    expectations="x:d",
    training=Training(fit="x:e"),
    rollout=Rollout(steps=(20, 100), shadow_requests=20, step_requests=20, shadow_tolerance=0.2),
    serving=Serving(default_score=0.25, redact=("size",)),
)
"""


def constant(score: float) -> onnx.ModelProto:
    """Always the same probability."""
    return _model([_node("Gather", ["features", "one"], ["column"], axis=1), _node("Mul", ["column", "zero"], ["nought"]),
                   _node("Add", ["nought", "value"], ["score"])], one=_int(0), zero=_float(0), value=_float(score))  # fmt: skip


def heat_score() -> onnx.ModelProto:
    """The probability is the first input, `heat`."""
    nodes = [_node("Gather", ["features", "first"], ["heat"], axis=1), _node("Clip", ["heat", "low", "high"], ["score"])]
    return _model(nodes, first=_int(0), low=_float(0), high=_float(1))


def fails_on_size_over(limit: float) -> onnx.ModelProto:
    """Scores .5, and breaks inside ONNX Runtime when `size` is above the limit (an index out of range)."""
    nodes = [
        _node("Gather", ["features", "third"], ["size"], axis=1),
        _node("Greater", ["size", "limit"], ["over"]),
        _node("Cast", ["over"], ["index"], to=TensorProto.INT64),
        _node("Mul", ["index", "far"], ["place"]),
        _node("Gather", ["table", "place"], ["score"], axis=0),
    ]
    return _model(nodes, third=_int(2), limit=_float(limit), far=_int(1000), table=np.array([0.5], np.float32))


def slow(rounds: int) -> onnx.ModelProto:
    """Scores .5 after that many multiplications of 400 x 400 matrices, when `size` is above 10."""
    body = helper.make_graph(
        [_node("MatMul", ["m_in", "square"], ["m_out"]), _node("Identity", ["go_in"], ["go_out"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
         helper.make_tensor_value_info("m_in", TensorProto.FLOAT, [400, 400])],
        [helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
         helper.make_tensor_value_info("m_out", TensorProto.FLOAT, [400, 400])],
    )  # fmt: skip
    nodes = [
        _node("Gather", ["features", "third"], ["size"], axis=1),
        _node("ReduceMax", ["size"], ["largest"], keepdims=0),
        _node("Greater", ["largest", "limit"], ["over"]),
        _node("Cast", ["over"], ["times"], to=TensorProto.INT64),
        _node("Mul", ["times", "rounds"], ["trips"]),
        helper.make_node("Loop", ["trips", "yes", "square"], ["matrix"], body=body),
        _node("ReduceMean", ["matrix"], ["mean"], keepdims=0),
        _node("Mul", ["mean", "zero"], ["nought"]),
        _node("Gather", ["features", "first"], ["heat"], axis=1),
        _node("Mul", ["heat", "zero"], ["row"]),
        _node("Add", ["row", "nought"], ["sum"]),
        _node("Add", ["sum", "half"], ["score"]),
    ]
    constants = {"first": _int(0), "third": _int(2), "limit": _float(10), "rounds": _int(rounds), "yes": np.array(True)}
    square = np.eye(400, dtype=np.float32)
    return _model(nodes, **constants, zero=_float(0), half=_float(0.5), square=square)


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, outputs, **attributes)


def _int(value: int) -> np.ndarray[Any, Any]:
    return np.array(value, np.int64)


def _float(value: float) -> np.ndarray[Any, Any]:
    return np.array(value, np.float32)


def _model(nodes: list[onnx.NodeProto], **constants: Any) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "toy",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(INPUTS)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def signature(inputs: tuple[tuple[str, str], ...] = INPUTS) -> dict[str, Any]:
    columns: list[dict[str, Any]] = [{"name": name, "dtype": dtype, "default": None} for name, dtype in inputs]
    for column in columns:
        if column["dtype"] == "category":
            column["categories"] = ["blue", "red"]
    columns[0]["default"] = 0.5
    return {"inputs": columns, "output": "score", "label": "late", "schema": digest_json([list(each) for each in inputs])}


@dataclass
class World:
    """A home folder with everything a gateway reads."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | Forked | None = None

    def __post_init__(self) -> None:
        package = self.home / "code" / "things_models"
        (package / MODEL).mkdir(parents=True)
        for folder in (package, package / MODEL):
            (folder / "__init__.py").write_text("")
        (package / MODEL / "spec.py").write_text(textwrap.dedent(SPEC))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environ = {
            **os.environ,
            "SLIPSTREAM_HOME": str(self.home),
            "SLIPSTREAM_MODELS": "things_models",
            "SLIPSTREAM_GATEWAY_URL": self.url,
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{self.home / 'code'}",
            "AIRFLOW_CONN_SLIPSTREAM_GATEWAY": f"http://:{TOKEN}@127.0.0.1:{self.port}",
            **self.environ,
        }
        self.control.create_tables()

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.environ)

    @property
    def control(self) -> ControlStore:
        return ControlStore(self.settings.control_url)

    @property
    def url(self) -> str:
        return f"{'https' if GATEWAY_TLS_CERT.read(self.environ) else 'http'}://127.0.0.1:{self.port}"

    @property
    def trusts(self) -> ssl.SSLContext | bool:
        """What httpx checks the gateway's certificate by, where it has one."""
        return tls.gateway_context(self.environ) if self.url.startswith("https:") else True

    def client(self) -> GatewayClient:
        return GatewayClient(self.url, TOKEN, environ=self.environ)

    def spec(self) -> ModelSpec:
        space: dict[str, Any] = {}
        exec(SPEC, space)
        spec: ModelSpec = space["SPEC"]
        return spec

    # -- versions and routes -------------------------------------------------------------------------

    def add_model(self, name: str, **serving: str) -> None:
        """Another model, a copy of the toy; `serving`: fields of its spec's section, as source."""
        folder = self.home / "code" / "things_models" / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        given = "".join(f"{field}={value}, " for field, value in serving.items())
        text = SPEC.replace('name="toy"', f'name="{name}"').replace("Serving(", f"Serving({given}")
        (folder / "spec.py").write_text(text)

    def register(
        self,
        version: int,
        model: onnx.ModelProto | bytes,
        contract: dict[str, Any] | None = None,
        name: str = MODEL,
        shipped: Mapping[str, Path] | None = None,
    ) -> Path:
        """A version row over a committed train result; returns the stored model file. `shipped`: what it brings beside it."""
        folder = self.home / f"made-{name}-{version}"
        folder.mkdir()
        data = model if isinstance(model, bytes) else model.SerializeToString()
        (folder / "model.onnx").write_bytes(data)
        (folder / "signature.json").write_text(json.dumps(contract or signature()))
        ledger = Ledger(self.settings.storage())
        request = Request("train", "tests:none", name, {"version": version})
        files = {name: folder / name for name in ("model.onnx", "signature.json")} | dict(shipped or {})
        result = ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome({}, files), 0.1)
        record = {"train": ledger.ref(result).to_json()}
        self._insert({"model": name, "version": version, "record": record})
        return self.settings.storage().fetch(result.files["model.onnx"].path, folder)

    def share(self, of: int, *made: tuple[str, int]) -> None:
        """Versions (model, number) that are the toy's version of that number once more."""
        with self.control.transaction() as connection:
            query = sa.select(versions.c.record).where(versions.c.model == MODEL, versions.c.version == of)
            record = connection.execute(query).scalar()
        self._insert(*({"model": name, "version": number, "record": record} for name, number in made))

    def _insert(self, *rows: dict[str, Any]) -> None:
        common = {"stage": "Candidate", "at": timestamp()}
        values = [{**common, **row, "key": f"{row['model']}-{row['version']}", "semver": f"1.{row['version']}.0"} for row in rows]
        with self.control.transaction() as connection:
            connection.execute(versions.insert(), values)

    def route(self, route: Route, name: str = MODEL) -> int:
        with self.control.transaction() as connection:
            return set_route(connection, name, route)

    # -- the process ---------------------------------------------------------------------------------

    def start(self, *arguments: str, host: str = FORKED, seconds: float = 60) -> GatewayClient:
        self.process = self._spawned(arguments, host)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process.poll() is None, self.output()
            try:
                if httpx.get(f"{self.url}/v2/health/live", timeout=5, verify=self.trusts).is_success:
                    return self.client()
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(self.output())

    def _spawned(self, arguments: Sequence[str], host: str) -> subprocess.Popen[bytes] | Forked:
        log = self.home / "gateway.log"
        if host == FORKED:
            return NEST.start(arguments, self.environ, log)
        with log.open("ab") as out:
            command = [sys.executable, "-m", host, *arguments]
            return subprocess.Popen(command, env=self.environ, cwd=PROJECT, stdout=out, stderr=out)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)

    def output(self) -> str:
        return (self.home / "gateway.log").read_text()


def body(**changes: Any) -> dict[str, Any]:
    """A good request; `changes` overrides place, colour, size, or adds top-level fields."""
    place = changes.pop("place", "oslo")
    features = {"colour": changes.pop("colour", "red"), "size": changes.pop("size", 1.0)}
    return {"entity": {"place": place}, "features": features, **changes}


def eventually(check: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `check` returns once it is true; fails loudly if it never is."""
    until = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < until, f"never became true: {check}"
        time.sleep(0.05)
    return value
