"""Row: shift traffic of a SageMaker endpoint and roll back. What AWS describes is what the control store decided; each change is
asked for once; one that AWS rolls back is a failed change."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import include.backends.sagemaker.endpoint_target as endpoint_target
import include.rollout.stage_evaluation as stage_evaluation
import operators.rollout
from include.core.errors import SlipstreamError
from include.rollout.endpoint_evidence import Pace
from include.routing.route import read_route
from tests.chaos.child import fork
from tests.chaos.protocol import (
    Absent,
    Backends,
    Call,
    Cell,
    Clear,
    Cut,
    Deferred,
    Done,
    Down,
    Finding,
    How,
    Kill,
    Lose,
    Overlap,
    Pause,
    Restart,
    State,
    Strike,
    Variant,
)
from tests.chaos.steps import traffic
from tests.chaos.steps.common import Holdings, compare
from tests.chaos.world import World
from tests.support.operator_runs import MODEL

BEFORE = ("reconcile.begin", "control.taken", "endpoint.model", "endpoint.config", "endpoint.send")
MIDDLE = ("control.once.effect", "control.once.committed")
UNRECORDED = ("endpoint.sent",)
REPORTED = ("endpoint.applied", "traffic.applied", "reconcile.done")
WAY_BACK = ("weights", "update")  # the changes of it: no traffic for the challenger, then no machine
LOOK = 0.02  # seconds between two looks at the endpoint
OUTSIDE_LOCKS = ("reconcile.begin", *REPORTED[1:])  # two attempts within the endpoint's lock wait for each other
AWS_GOES_BACK = ("rolled_back", "silently_rolled_back", "stuck")  # with the change that takes the challenger off
ANYWHERE = (*BEFORE, *UNRECORDED, *REPORTED)


def on(control: Any = "sqlite") -> Backends:
    return Backends(control=control, jobs="sagemaker")


def ways(how: How) -> tuple[Variant, ...]:
    return tuple(Variant(how, on(), tasks) for tasks in (traffic.FORWARD, traffic.BACK))


class Endpoint(traffic.Traffic):
    name = "endpoint"
    title = "shift traffic of a SageMaker endpoint"
    promise = "what AWS describes is what was decided; each change once; no request fails; always on a verified version"
    models = "tests.chaos.models.endpoint"
    cells: Mapping[str, Cell] = {
        "F1": ways(Kill(BEFORE)),
        "F2": ways(Kill(UNRECORDED)),
        "F3": ways(Kill(MIDDLE)),
        "F4": ways(Kill(REPORTED)),
        "F5": (*ways(Lose(UNRECORDED)), *ways(Cut("jobs"))),
        "F6": Absent("the task writes no file"),
        "F7": ways(Pause(ANYWHERE)),
        "F8": (*ways(Restart())[:1], *ways(Overlap(OUTSIDE_LOCKS))[1:]),
        "F9": ways(Clear()),
        "F10": (*ways(Down("jobs")), *(Variant(Strike(name), on(), traffic.BACK) for name in AWS_GOES_BACK)),
    }

    def run(self, world: World, call: Call) -> Done | Deferred:
        hurry(world)
        return super().run(world, call)

    def resume(self, world: World, call: Call) -> Done | Deferred:
        hurry(world)
        return super().resume(world, call)

    def reset(self, world: World) -> None:
        """The endpoint follows the route that the template's rollout has come to."""
        hurry(world)
        world.endpoints("forget", text=world.image)
        world.endpoints("log_requests", root=world.root)
        services = Holdings().services
        services.target(MODEL).wait_applied(MODEL, read_route(services.control, MODEL)[0])

    @contextmanager
    def company(self, bench: Any, world: World) -> Iterator[World]:
        """Callers of the endpoint, who never stop asking."""
        environ, stop = replace(world, moved={}).environ(), world.scratch / "stop"
        stop.unlink(missing_ok=True)
        pump = fork(lambda: ask_until(stop, hurry(world)), environ, world.scratch / "pump.json")
        try:
            yield world
            stop.touch()
            ended = pump.wait(60)
            (world.scratch / "asked.json").write_text(json.dumps(ended.value or {"failures": [ended.text], "answers": 0}))
        finally:
            pump.kill()

    def strike(self, world: World, name: str, share: float) -> bool:
        """Once the canary has its half, AWS rolls one of the changes of the way back back: that of the weights or that of the
        variants. One that hangs is rolled back later."""
        time.sleep(LOOK)
        endpoint, marks = endpoint_of(world), world.scratch / "struck"
        if not marks.exists():
            weights = world.endpoints("summary", prefix=endpoint)["endpoints"][endpoint]["weights"].values()
            if len(weights) < 2 or len(set(weights)) > 1:
                return False
            kind = WAY_BACK[int(share * len(WAY_BACK))]
            for outcome in (*["done"] * WAY_BACK.index(kind), name):
                world.endpoints("plan", outcome=outcome, name=endpoint)
            marks.write_text(kind)
        return name != "stuck" or world.endpoints("give_up", name=endpoint)

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        name = hurry(world)
        world.endpoints("settle", name=name)
        summary = world.endpoints("summary", prefix=f"{name}")
        found = summary["endpoints"][name]
        if (struck := world.scratch / "struck").exists():  # AWS took one back, which is asked for again
            found["asked"][struck.read_text()] -= 1
        holdings = Holdings()
        state = holdings.state()
        state["control"]["effects"] = [key for key in state["control"]["effects"] if not key.startswith("endpoint/")]
        state["control"]["documents"] = [row for row in state["control"]["documents"] if row[1] != "endpoint_call"]
        state["control"]["audit"] = [row for row in state["control"]["audit"] if not row[0].startswith("endpoint.")]
        generation, route = read_route(holdings.services.control, MODEL)
        asked = json.loads((world.scratch / "asked.json").read_text())
        aws = {**found, "models": len(summary["models"]), "configs": len(summary["configs"])}
        return {**state, "route": [generation, route.to_json()], "aws": aws, "asked": asked}

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare({**twin, "asked": {}}, {**seen, "asked": {}})
        asked = seen["asked"]
        findings += [Finding("lost", f"a request failed: {failure}") for failure in asked["failures"][:5]]
        if not asked["answers"]:
            findings.append(Finding("lost", "nobody was answered"))
        findings += [Finding("lost", f"answered by version {each}") for each in asked.get("versions", []) if each not in (1, 2)]
        return findings


def hurry(world: World) -> str:
    """In a child: short pauses, the address of an online store that a container could reach, which nobody asks here, and the
    slot's own names in SageMaker. Returns the endpoint's."""
    os.environ["SLIPSTREAM_ONLINE_URL"] = "dynamodb://shop"
    os.environ["SLIPSTREAM_SAGEMAKER_PREFIX"] = f"slot-{world.number}-"
    operators.rollout.EVALUATE_SECONDS = 0.1
    endpoint_target.POLL = endpoint_target.SLOWEST = 0.1
    stage_evaluation.PACE = Pace(0.2)
    return endpoint_of(world)


def endpoint_of(world: World) -> str:
    return f"slot-{world.number}-slipstream-{MODEL}"


def ask_until(stop: Path, name: str) -> dict[str, Any]:
    """In a child: ask again and again. Every failure and version it met."""
    services = Holdings().services
    client = services.aws.client("sagemaker-runtime")
    met: dict[str, Any] = {"failures": [], "answers": 0, "versions": set()}
    for number in itertools.count():
        if stop.exists():
            break
        if not (stop.parent / "quiet").exists():
            body = {"requests": [{"id": f"r{number}-{each}"} for each in range(5)]}
            try:
                answer = client.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=json.dumps(body).encode())
                said = json.loads(answer["Body"].read())["responses"]
                met["answers"] += len(said)
                met["versions"] |= {each["version"] for each in said}
            except (SlipstreamError, client.exceptions.ClientError) as error:
                met["failures"].append(f"{type(error).__name__}: {error}")
        time.sleep(0.02)
    return {**met, "versions": sorted(met["versions"])}


STEP = Endpoint()
