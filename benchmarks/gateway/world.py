"""What the gateway is measured on: two models over one network (20-64-32-1), features in a store, a process.

`plain` takes its 20 inputs with the request. `views` reads 16 of them from 4 views of the online store.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper

from include.core import tls
from include.core.control import ControlStore, versions
from include.core.digest import PROJECT, digest_json
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import timestamp
from include.online_store.open import open_online
from include.routing.route import Route, set_route
from include.versions.lifecycle import Stage

WIDTH, ENTITIES = 20, 10_000
MODELS = ("plain", "views")
VIEWS = {"customer": ("customer",), "merchant": ("merchant",), "pair": ("customer", "merchant"), "region": ("region",)}
TOKEN = "bench"
Weights = dict[str, np.ndarray[Any, Any]]
SPEC = """
from datetime import date
from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Rollout, Serving, Training, View

VIEWS = {views}
SPEC = ModelSpec(
    name="{name}", owner="bench", description="measured", label="y",
    data=Data(sources=("s",), first=date(2020, 1, 1)),
    features=Features(
        build="x:a", entities="x:b", labels="x:c",
        views=tuple(
            View(name=view, keys=keys, features=tuple(Feature(name=f"{{view}}_{{n}}", default=0.0) for n in range(4)))
            for view, keys in VIEWS.items()
        ),
        request=tuple(Feature(name=f"f{{n}}", default=0.0) for n in range({request})),
    ),
    expectations="x:d", training=Training(fit="x:e"), serving=Serving(default_score=0.25),
    evaluation=Evaluation(max_latency_ms=1.0), rollout=Rollout(steps=(20, 100), shadow_tolerance=1.0, step_requests=2000),
)
"""


def network(
    seed: int = 7, *, invert: bool = False, bias: float = 0.0, extra: tuple[Sequence[onnx.NodeProto], Weights] = ((), {})
) -> onnx.ModelProto:
    """A perceptron 20-64-32-1; inverted, it says 1 - p. `extra` nodes leave `nought` [n, 1], which is added to p."""
    draw = np.random.default_rng(seed)
    sizes, nodes, weights, last = (WIDTH, 64, 32, 1), [], {}, "features"
    for n, (rows, columns) in enumerate(itertools.pairwise(sizes)):
        weights[f"w{n}"] = (draw.normal(size=(rows, columns)) / np.sqrt(rows)).astype(np.float32)
        weights[f"b{n}"] = np.zeros(columns, np.float32)
        nodes.append(helper.make_node("Gemm", [last, f"w{n}", f"b{n}"], [f"z{n}"]))
        last = f"z{n}"
        if columns > 1:
            nodes.append(helper.make_node("Relu", [last], [f"a{n}"]))
            last = f"a{n}"
    weights["bias"] = np.array(bias, np.float32)
    nodes.append(helper.make_node("Add", [last, "bias"], ["biased"]))
    last = "biased"
    if invert:
        nodes.append(helper.make_node("Neg", [last], ["turned"]))
        last = "turned"
    weights["flat"] = np.array([-1], np.int64)
    nodes += [helper.make_node("Sigmoid", [last], ["p"])]
    last = "p"
    if extra[0]:
        nodes += [*extra[0], helper.make_node("Add", ["p", "nought"], ["sum"])]
        weights.update(extra[1])
        last = "sum"
    return model_of([*nodes, helper.make_node("Reshape", [last, "flat"], ["score"])], weights)


def model_of(nodes: Sequence[onnx.NodeProto], weights: Weights) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "bench",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def bodies(model: str, count: int = 2000) -> list[bytes]:
    """Requests to score, each of another entity, the same at every call."""
    draw = Random(3)
    made = []
    for n in range(count):
        entity = entity_of(n * 4999 % ENTITIES) if model == "views" else {}
        names = range(4 if model == "views" else WIDTH)
        features = {f"f{n}": round(draw.uniform(-2, 2), 4) for n in names}
        made.append(json.dumps({"entity": entity, "features": features}).encode())
    return made


def entity_of(n: int) -> dict[str, str]:
    return {"customer": f"customer-{n}", "merchant": f"merchant-{n % 1000}", "region": f"region-{n % 50}"}


@dataclass
class World:
    """A home folder with versions, routes and features; `start` serves it."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        package = self.home / "code" / "bench_models"
        for name in MODELS:
            (package / name).mkdir(parents=True)
            (package / name / "__init__.py").write_text("")
            views = VIEWS if name == "views" else {}
            spec = SPEC.format(name=name, views=views, request=4 if views else WIDTH)
            (package / name / "spec.py").write_text(spec)
        (package / "__init__.py").write_text("")
        self.environ = {
            **os.environ,
            "SLIPSTREAM_HOME": str(self.home),
            "SLIPSTREAM_MODELS": "bench_models",
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{self.home / 'code'}",
            "AIRFLOW_CONN_SLIPSTREAM_GATEWAY": f"http://:{TOKEN}@127.0.0.1:1",
            **self.environ,
        }
        self.control.create_tables()

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.environ)

    @property
    def control(self) -> ControlStore:
        return ControlStore(self.settings.control_url)

    def spec(self, model: str) -> ModelSpec:
        space: dict[str, Any] = {}
        exec((self.home / "code" / "bench_models" / model / "spec.py").read_text(), space)
        spec: ModelSpec = space["SPEC"]
        return spec

    def register(self, model: str, version: int, proto: onnx.ModelProto) -> None:
        """A version row over a committed train result."""
        self.commit(model, version, "model.onnx", proto.SerializeToString())

    def commit(self, model: str, version: int, file: str, data: bytes) -> None:
        """The same of a model file of any name."""
        folder = self.home / "made" / f"{model}-{version}"
        folder.mkdir(parents=True)
        (folder / file).write_bytes(data)
        inputs = [{"name": f.name, "dtype": f.dtype, "default": f.default} for f in self.spec(model).features.inputs]
        schema = digest_json([[each["name"], each["dtype"]] for each in inputs])
        contract = {"inputs": inputs, "output": "score", "label": "y", "schema": schema}
        (folder / "signature.json").write_text(json.dumps(contract))
        ledger = Ledger(self.settings.storage())
        request = Request("train", "bench:none", model, {"version": version})
        files = {name: folder / name for name in (file, "signature.json")}
        result = ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome({}, files), 0.1)
        row = {
            "key": f"{model}{version}",
            "model": model,
            "version": version,
            "semver": f"1.{version}.0",
            "stage": str(Stage.CANDIDATE),
        }
        with self.control.transaction() as connection:
            connection.execute(versions.insert().values(**row, record={"train": ledger.ref(result).to_json()}, at=timestamp()))

    def route(self, model: str, **route: Any) -> int:
        with self.control.transaction() as connection:
            return set_route(connection, model, Route(**route))

    def fill(self, url: str) -> None:
        """The four views of every entity into an online store."""
        store, draw, moment = open_online(url), np.random.default_rng(5), datetime(2026, 1, 1, tzinfo=UTC)
        entities = [entity_of(n) for n in range(ENTITIES)]
        for view in self.spec("views").features.views:
            columns: dict[str, Any] = {key: [entity[key] for entity in entities] for key in view.keys}
            columns["event_timestamp"] = pa.array([moment.replace(tzinfo=None)] * ENTITIES, pa.timestamp("us"))
            columns.update({feature.name: draw.normal(size=ENTITIES) for feature in view.features})
            store.write("views", view, pa.table(columns), moment)

    # -- processes -----------------------------------------------------------------------------------

    def spawn(self, command: list[str], health: str, **environ: str) -> subprocess.Popen[bytes]:
        """A server of this world's environment, once `health` answers 200."""
        with (self.home / "servers.log").open("ab") as out:
            process = subprocess.Popen(
                command, env={**self.environ, **environ}, cwd=PROJECT, stdout=out, stderr=out, start_new_session=True
            )
        self.processes.append(process)
        await_health(process, health, self.home / "servers.log")
        return process

    def start(self, *arguments: str, module: str = "include.gateway", secure: bool = False, **environ: str) -> str:
        """Our gateway; returns its address. `secure`: it has a certificate of its own."""
        port = free_port()
        url = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
        command = [sys.executable, "-m", module, "--port", str(port), *arguments]
        self.spawn(command, f"{url}/v2/health/ready", SLIPSTREAM_GATEWAY_URL=url, **environ)
        return url

    def stop(self) -> None:
        for process in self.processes:
            stop_group(process)
        self.processes.clear()


def await_health(process: subprocess.Popen[bytes], url: str, log: Path, seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    secure = urllib.request.HTTPSHandler(context=tls.unverified())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), secure)
    while time.monotonic() < until and process.poll() is None:
        try:
            with opener.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} never answered:\n{log.read_text()[-3000:]}")


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it started."""
    for how, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        try:
            os.killpg(process.pid, how)
            process.wait(patience)
            return
        except ProcessLookupError:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
