"""Row: shift traffic and roll back. Always on a verified version; no request fails; a woken attempt is refused."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import operators.rollout
from include.core.errors import DataError, UnreachableError
from include.rollout.history import Rollout
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from include.routing.route import read_route
from tests.chaos.child import fork
from tests.chaos.protocol import (
    Backends,
    Call,
    Cell,
    Clear,
    Cut,
    Deferred,
    Done,
    Down,
    Finding,
    Full,
    How,
    Kill,
    Locked,
    Lose,
    Overlap,
    Pause,
    Restart,
    State,
    Variant,
)
from tests.chaos.servers import until
from tests.chaos.steps.common import PUBLISHED, Holdings, OperatorStep, compare, life, snapshot
from tests.chaos.world import TOKEN, World
from tests.support.operator_runs import MODEL
from tests.support.wired import (
    CheckGateOperator,
    EvaluateModelOperator,
    PromoteModelOperator,
    RegisterModelOperator,
    RollBackModelOperator,
    RolloutStageOperator,
    TrainModelOperator,
    ValidateTrainingSetOperator,
)
from tests.unit.operators.models.shop.orders import CUSTOMERS

FORWARD, BACK = ("canary_50", "full_100", "promote"), ("canary_50", "roll_back")
BEFORE = ("reconcile.begin", "control.taken", "control.once.begin")
MIDDLE = ("control.once.effect",)
RECORDED = ("control.once.committed",)
REPORTED = ("traffic.applied", "reconcile.done")
OUTSIDE_LOCKS = (*BEFORE, *RECORDED, *REPORTED)
POSTGRES = Backends(control="postgres")


def ways(how: How) -> tuple[Variant, ...]:
    return (Variant(how, tasks=FORWARD), Variant(how, POSTGRES, BACK), Variant(how, tasks=BACK), Variant(how, POSTGRES, FORWARD))


class Traffic(OperatorStep):
    name = "traffic"
    title = "shift traffic and roll back"
    promise = "always on a verified version; weights sum to 100; no request fails; a woken attempt is refused"
    base = PUBLISHED
    tasks = FORWARD
    cells: Mapping[str, Cell] = {
        "F1": ways(Kill(BEFORE)),
        "F2": ways(Kill(RECORDED)),
        "F3": ways(Kill(MIDDLE)),
        "F4": ways(Kill(REPORTED)),
        "F5": (
            Variant(Cut("control"), POSTGRES, FORWARD),
            Variant(Cut("gateway"), tasks=FORWARD),
            Variant(Lose(RECORDED), tasks=BACK),
        ),
        "F6": (Variant(Full(), tasks=FORWARD), Variant(Full(), tasks=BACK)),
        "F7": ways(Pause(OUTSIDE_LOCKS)),
        "F8": (*ways(Restart())[:2], *ways(Overlap(OUTSIDE_LOCKS))[2:]),
        "F9": ways(Clear()),
        "F10": (
            Variant(Down("gateway"), tasks=FORWARD),
            Variant(Down("control"), POSTGRES, BACK),
            Variant(Locked(), tasks=FORWARD),
        ),
    }

    def operator(self, task: str) -> Any:
        if task == "promote":
            return PromoteModelOperator(task_id=task, model=MODEL)
        if task == "roll_back":
            return RollBackModelOperator(task_id=task, model=MODEL)
        return RolloutStageOperator(task_id=task, model=MODEL, stage=task)

    def run(self, world: World, call: Call) -> Done | Deferred:
        operators.rollout.EVALUATE_SECONDS, operators.rollout.LOOK_SECONDS = 0.1, 0.0
        return super().run(world, call)

    def resume(self, world: World, call: Call) -> Done | Deferred:
        operators.rollout.EVALUATE_SECONDS, operators.rollout.LOOK_SECONDS = 0.1, 0.0
        return super().resume(world, call)

    def prepare(self, world: World) -> dict[str, Any]:
        """Version 1 is the champion; version 2's rollout has passed its smoke test and its shadow."""
        shop, run = life(), snapshot()
        run(ValidateTrainingSetOperator(task_id="validate_training_set", model=MODEL))
        run(TrainModelOperator(task_id="train", model=MODEL, where="process"))
        run(EvaluateModelOperator(task_id="evaluate", model=MODEL))
        run(CheckGateOperator(task_id="gate", model=MODEL))
        run(RegisterModelOperator(task_id="register", model=MODEL))
        shop.retrained(run, name="the second")
        run(RegisterModelOperator(task_id="register", model=MODEL))
        control, spec = shop.services.control, shop.services.spec(MODEL)
        for version in (1, 2):
            epoch = control.take(f"rollout/{MODEL}", "prepare")
            rollout = open_rollout(control, spec, version, request=f"run {version}", actor="prepare", epoch=epoch)
            for stage in rollout.stages:
                if version == 2 and stage.name == "canary_50":
                    return {"xcom": {"open": {"rollout": rollout.id, "version": 2, "champion": 1}}}
                self._pass(control, rollout, stage.name, epoch)
            promote(control, rollout, actor="prepare", epoch=epoch)
        raise AssertionError("version 2 has no canary")

    def _pass(self, control: Any, rollout: Rollout, stage: str, epoch: int) -> None:
        enter_stage(control, rollout, stage, epoch)
        record_verdict(control, rollout, stage, {"answer": "promote", "reasons": ["prepared"]}, epoch)

    @contextmanager
    def company(self, bench: Any, world: World) -> Iterator[World]:
        """The real gateway in a process of its own, and customers who never stop asking."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        inner = replace(world, gateway_port=port)
        environ = inner.environ()
        gateway = fork(lambda: _host(port), environ, world.scratch / "gateway.json")
        pump = None
        try:
            if not until(lambda: _ready(port), 60):
                raise RuntimeError(f"the gateway did not start: {gateway.log.read_text()[-2000:]}")
            stop = world.scratch / "stop"
            stop.unlink(missing_ok=True)
            pump = fork(lambda: ask_until(stop, port), environ, world.scratch / "pump.json")
            yield inner
            stop.touch()
            ended = pump.wait(60)
            (world.scratch / "asked.json").write_text(json.dumps(ended.value or {"failures": [ended.text], "answers": 0}))
        finally:
            if pump is not None:
                pump.kill()
            gateway.end()

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        state = holdings.state()
        generation, route = read_route(holdings.services.control, MODEL)
        asked = json.loads((world.scratch / "asked.json").read_text())
        return {**state, "route": [generation, route.to_json()], "asked": asked}

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare({**twin, "asked": {}}, {**seen, "asked": {}})
        asked = seen["asked"]
        findings += [Finding("lost", f"a request failed: {failure}") for failure in asked["failures"][:5]]
        if not asked["answers"]:
            findings.append(Finding("lost", "nobody was answered"))
        for version in asked.get("versions", []):
            if version not in (1, 2):
                findings.append(Finding("lost", f"answered by version {version}, which nobody verified"))
        if any(not 0 <= weight <= 100 for weight in asked.get("weights", [])):
            findings.append(Finding("lost", f"weights {asked['weights']}"))
        return findings


def _host(port: int) -> int:
    from include.gateway.host import main

    return main(["--host", "127.0.0.1", "--port", str(port), "--workers", "1"])


def _ready(port: int) -> bool:
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask_until(stop: Path, port: int) -> dict[str, Any]:
    """In a child: ask for all customers again and again. Every failure, version and weight it met."""
    from include.serving.client import GatewayClient

    client = GatewayClient(f"http://127.0.0.1:{port}", TOKEN)
    met: dict[str, Any] = {"failures": [], "answers": 0, "versions": set(), "weights": set()}
    prices = itertools.cycle(float(price) for price in range(1, 80, 7))
    while not stop.exists():
        if (stop.parent / "quiet").exists():
            time.sleep(0.02)
            continue
        requests = [{"entity": {"customer": one}, "features": {"price": next(prices), "shelf": "low"}} for one in CUSTOMERS]
        try:
            answers = client.predict_batch(MODEL, requests)
            met["answers"] += len(answers)
            met["versions"] |= {answer["version"] for answer in answers}
            met["weights"].add(client.status()["models"][MODEL]["route"]["weight"])
        except (DataError, UnreachableError, KeyError) as error:
            met["failures"].append(f"{type(error).__name__}: {error}")
        time.sleep(0.02)
    return {**met, "versions": sorted(met["versions"], key=str), "weights": sorted(met["weights"])}


STEP = Traffic()
