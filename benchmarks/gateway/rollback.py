"""Bad challengers on a gateway under load: how long until the judge says so, and until all traffic is back.

A canary of 20 percent on entities of their own, wrk on the champion and on it; the judge looks twice a second, as the
trigger does. The log says when the challenger answered last, wrk whether any request failed.
"""

from __future__ import annotations

import json
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import perf_counter

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.gateway import wrk
from benchmarks.gateway.world import TOKEN, Weights, World, entity_of, network
from benchmarks.table import Table
from include.prediction_log.reader import read_records
from include.rollout.history import Rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.stage_evaluation import read_and_judge
from include.serving.client import GatewayClient

MODEL, STAGE, LOOK_SECONDS, PATIENCE, BIAS = "views", "canary_20", 0.5, 90.0, -2.0
Extra = tuple[list[onnx.NodeProto], Weights]


BAD = ("10 % errors", "5x latency on 2 % of requests", "inverted scores")


def challenger(name: str, rounds: int) -> onnx.ModelProto:
    if name == BAD[0]:
        return network(1, bias=BIAS, extra=errors(1.6))
    if name == BAD[1]:
        return network(1, bias=BIAS, extra=slow(1.92, rounds))
    return network(1, bias=BIAS, invert=True)


def rounds_of(milliseconds: float) -> int:
    """So many products of 256 x 256 take that long on this machine."""
    square = np.eye(256, dtype=np.float32)
    square @ square
    started = perf_counter()
    for _ in range(20):
        square @ square
    return max(1, round(milliseconds / ((perf_counter() - started) / 20 * 1e3)))


def errors(over: float) -> Extra:
    """Breaks inside ONNX Runtime where the last input is above: an index out of range. It is uniform over -2 to 2."""
    place = helper.make_node("Mul", ["trips", "far"], ["place"])
    nodes = [*_over(), place, helper.make_node("Gather", ["table", "place"], ["nought"])]
    return nodes, {**_constants(over), "far": np.array(1000, np.int64), "table": np.zeros(1, np.float32)}


def slow(over: float, rounds: int) -> Extra:
    """Multiplies matrices of 256 x 256 that often for a row whose last input is above."""
    integer, truth, number = TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT
    value, matrix = helper.make_tensor_value_info, [256, 256]
    body = helper.make_graph(
        [helper.make_node("MatMul", ["m_in", "square"], ["m_out"]), helper.make_node("Identity", ["go_in"], ["go_out"])],
        "body",
        [value("i", integer, []), value("go_in", truth, []), value("m_in", number, matrix)],
        [value("go_out", truth, []), value("m_out", number, matrix)],
    )
    nodes = [
        *_over(),
        helper.make_node("ReduceMax", ["trips"], ["any"], keepdims=0),
        helper.make_node("Mul", ["any", "rounds"], ["all"]),
        helper.make_node("Loop", ["all", "yes", "square"], ["product"], body=body),
        helper.make_node("ReduceMean", ["product"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nought"]),
    ]
    constants = {"rounds": np.array(rounds, np.int64), "yes": np.array(True), "zero": np.array(0, np.float32)}
    return nodes, {**_constants(over), **constants, "square": np.eye(256, dtype=np.float32)}


def _over() -> list[onnx.NodeProto]:
    """`trips` int64 [n, 1]: 1 where the last input is above the limit."""
    return [
        helper.make_node("Gather", ["features", "last"], ["input"], axis=1),
        helper.make_node("Greater", ["input", "limit"], ["over"]),
        helper.make_node("Cast", ["over"], ["trips"], to=TensorProto.INT64),
    ]


def _constants(over: float) -> Weights:
    return {"last": np.array([19], np.int64), "limit": np.array(over, np.float32)}


def run(table: Table, home: Path) -> None:
    for number, name in enumerate(BAD):
        world = World(home / str(number))
        try:
            world.register(MODEL, 1, network(1, bias=BIAS))
            world.route(MODEL, champion=1)
            world.fill(world.settings.online_url)
            url = world.start()
            lua = wrk.script(f"/predict/{MODEL}", _bodies(), world.home / "views.lua")
            usual = wrk.run(url, lua, 2).p50
            world.register(MODEL, 2, challenger(name, rounds_of(5 * usual)))
            table.head(f"A bad challenger under load: {name} (a request usually takes {usual:.1f} ms)")
            _one(table, world, name, url, lua)
        finally:
            world.stop()


def _one(table: Table, world: World, name: str, url: str, lua: Path) -> None:
    client = GatewayClient(url, TOKEN)
    command = ["wrk", "-t1", "-c8", f"-d{PATIENCE + 20:.0f}s", "-s", str(lua), url]
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    control, spec = world.control, world.spec(MODEL)
    epoch = control.take(f"rollout/{MODEL}", "bench")
    rollout = open_rollout(control, spec, 2, request="bench", actor="bench", epoch=epoch)
    for stage in ("smoke", "shadow"):  # the champion's baseline; this bench is about the canary
        client.wait_applied(MODEL, enter_stage(control, rollout, stage, epoch))
        for _ in range(3):  # the looks of the stage's own task: they read the champion's quantiles
            time.sleep(1)
            read_and_judge(control, spec, rollout, stage, datetime.now(UTC))
        record_verdict(control, rollout, stage, {"answer": "promote", "reasons": []}, epoch)
    client.wait_applied(MODEL, enter_stage(control, rollout, STAGE, epoch))
    entered = time.time()
    reasons, verdict_at = _await_verdict(world, rollout, epoch)
    time.sleep(3)
    load.send_signal(2)
    said = load.communicate()[0]
    last = max(_times(world, version=2), default=0.0)
    table.say(f"verdict {'; '.join(reasons)[:100]}")
    table.say(said.strip().splitlines()[-1])
    table.row(f"{name}: from the canary's start to the verdict", verdict_at - entered, "s", most=PATIENCE)
    table.row(f"{name}: from the verdict to the challenger's last answer", last - verdict_at, "s", most=1.0)
    table.row(f"{name}: requests failed", int(said.rpartition('"bad": ')[2].partition("}")[0]), "", most=0)


def _await_verdict(world: World, rollout: Rollout, epoch: int) -> tuple[tuple[str, ...], float]:
    """The judge's reasons, and when it had them; the traffic is then taken back as the rollout's task does it."""
    control, spec, until = world.control, world.spec(MODEL), time.time() + PATIENCE
    while time.time() < until:
        verdict, plan, evidence = read_and_judge(control, spec, rollout, STAGE, datetime.now(UTC))
        if verdict.answer == "roll_back":
            at = time.time()
            decision = {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}
            record_verdict(control, rollout, STAGE, decision, epoch)
            return verdict.reasons, at
        time.sleep(LOOK_SECONDS)
    return (f"no rollback within {PATIENCE:.0f} s; the last answer was {verdict.answer}: {verdict.reasons}",), time.time()


def _times(world: World, version: int) -> list[float]:
    records = read_records(world.home, MODEL)
    return [datetime.fromisoformat(r.at).timestamp() for r in records if r.kind == "prediction" and r.version == version]


def _bodies() -> list[bytes]:
    """As many entities as there are, each once in a round: the judge counts an entity once."""
    draw = Random(11)
    return [
        json.dumps({"entity": entity_of(n), "features": {f"f{i}": round(draw.uniform(-2, 2), 4) for i in range(4)}}).encode()
        for n in range(10_000)
    ]
