"""Predictions of which a version is on another server: who answers, what is logged, and that nobody else waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from include.core.errors import DataError, UnreachableError
from include.core.spec import Binary, Ranking
from include.model_contract.remote import Port, Remote
from include.routing.route import Route
from include.serving.prediction.coalescing import PendingRequest
from tests.support.binary_serving import Scene
from tests.support.kinds_serving import FILMS, Make, Says, logged, one, size

REMOTE = Remote("far", "m", "1", "", "tensor", (Port("x", "FP32", (-1, 3)),), (Port("score", "FP32", (-1,)),), 30_000, 64)
CANARY = Route(champion=1, challenger=2, weight=50)
FAR_CHAMPION = Route(champion=2, previous=1)
half = Says(lambda rows: np.full(len(rows), 0.5))


class Far:
    """A server in this process that answers once `free` is set."""

    remote = REMOTE

    def __init__(self, outputs: Callable[[Any], Any]) -> None:
        self._outputs, self.free = outputs, asyncio.Event()
        self.free.set()

    def score(self, rows: Any) -> Any:
        raise AssertionError("nobody may wait for it here")

    async def score_soon(self, rows: Any) -> Any:
        await self.free.wait()
        return np.asarray(self._outputs(rows), dtype=np.float32)


def with_far(scene: Scene, far: Far, version: int = 2) -> Scene:
    models = dict(scene.deployment.models)
    models[version] = replace(models[version], scorer=far, remote=REMOTE, name="toy")
    scene.deployment = replace(scene.deployment, models=models)
    return scene


class Callers:
    """Requests of one turn, each with its own reply; `finished`: whether the gateway lets others in for them."""

    def __init__(self, scene: Scene, *bodies: dict[str, Any]) -> None:
        self.finished = False
        requests = []
        for number, each in enumerate(bodies):
            body = each if "requests" in each else {"id": f"r{number}", **each}
            items, batch = scene.contract.decode(json.dumps(body).encode())
            reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            requests.append(PendingRequest(items, batch, scene.deployment, reply))
        self.replies: list[asyncio.Future[bytes]] = [cast("asyncio.Future[bytes]", request.reply) for request in requests]
        scene.predictor.run(requests, self._done)

    def _done(self) -> None:
        self.finished = True

    async def answers(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in await asyncio.gather(*self.replies)]


def ask(scene: Scene, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    async def asked() -> list[dict[str, Any]]:
        return await Callers(scene, *bodies).answers()

    return asyncio.run(asked())


def test_a_remote_champion_answers_and_is_logged(scene: Make) -> None:
    made = with_far(scene(Binary(), FAR_CHAMPION, half, half), Far(lambda rows: rows[:, 1]))
    answers = ask(made, one(0.25), one(0.75, place="p2"))
    assert [(each["score"], each["version"], each["degraded"]) for each in answers] == [(0.25, 2, []), (0.75, 2, [])]
    assert [(each.score, each.version) for each in logged(made)] == [(0.25, 2), (0.75, 2)]
    assert all(each.latency_us > 0 for each in logged(made))


@pytest.mark.parametrize("error", [UnreachableError("away"), RuntimeError("a defect")])
def test_where_it_does_not_answer_the_version_before_does(scene: Make, error: Exception) -> None:
    def gone(rows: Any) -> Any:
        raise error

    made = with_far(scene(Binary(), FAR_CHAMPION, half, half), Far(gone))
    answers = ask(made, one(0.25), one(0.75, place="p2"))
    assert [(each["score"], each["version"], each["degraded"]) for each in answers] == [(0.5, 1, ["champion"])] * 2
    assert all("version 2 failed" in (each.error or "") for each in logged(made))


def test_where_all_fail_the_default_is_the_answer(scene: Make) -> None:
    made = with_far(scene(Binary(), Route(champion=2), half, half), Far(lambda rows: rows[:, 1] + 5))
    (answer,) = ask(made, one(0.25))
    assert answer["version"] is None
    assert answer["degraded"] == ["champion", "default_score"]


def test_a_row_that_is_refused_fails_alone(scene: Make) -> None:
    def strict(rows: Any) -> Any:
        if (rows[:, 1] > 0.9).any():
            raise DataError("too large")
        return rows[:, 1]

    made = with_far(scene(Binary(), FAR_CHAMPION, half, half), Far(strict))
    answers = ask(made, {"requests": [one(0.25), one(1.0, place="p2"), one(0.75, place="p3")]})[0]["responses"]
    assert [(each["score"], each["version"]) for each in answers] == [(0.25, 2), (0.5, 1), (0.75, 2)]


def test_a_list_is_answered_whole(scene: Make) -> None:
    ranking: Ranking = FILMS

    def strict(rows: Any) -> Any:
        if (rows[:, 1] > 0.9).any():
            raise DataError("too large")
        return rows[:, 1]

    made = with_far(scene(ranking, FAR_CHAMPION, size, half), Far(strict))
    both = {"requests": [one(0.25), one(1.0)]}
    answers = ask(made, both, {"requests": [one(0.75, place="p9"), one(0.25, place="p9")]})
    assert [[each["version"] for each in answer["responses"]] for answer in answers] == [[1, 1], [2, 2]]


def test_callers_of_a_local_version_do_not_wait_and_admission_is_freed(scene: Make) -> None:
    bodies = [one(0.25, place=f"p{number}") for number in range(12)]

    async def slow() -> tuple[list[bool], bool, list[dict[str, Any]]]:
        far = Far(lambda rows: rows[:, 1])
        made = with_far(scene(Binary(), CANARY, half, half), far)
        far.free.clear()
        callers = Callers(made, *bodies)
        for _ in range(20):
            await asyncio.sleep(0)
        before = [reply.done() for reply in callers.replies]
        finished = callers.finished
        far.free.set()
        return before, finished, await callers.answers()

    before, finished, answers = asyncio.run(slow())
    assert finished
    assert before == [each["arm"] == "champion" for each in answers]
    assert {each["version"] for each in answers} == {1, 2}


def test_a_remote_shadow_leaves_the_local_way_alone(scene: Make) -> None:
    made = with_far(scene(Binary(), Route(champion=1, shadow=2), half, half), Far(lambda rows: rows[:, 1]))
    assert not made.deployment.remote
    assert json.loads(made.ask(one(0.25)))["version"] == 1
