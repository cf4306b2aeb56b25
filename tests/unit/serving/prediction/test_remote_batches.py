"""Rows for another server: gathered into one call, shared out, bounded; what is slow, wrong or gone is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from include.core.errors import DataError, UnreachableError
from include.model_contract.batch import Floats
from include.model_contract.encoder import Encoder, Input
from include.model_contract.remote import Port, Remote
from include.serving import circuit_breaker
from include.serving.models.loaded_model import LoadedModel, ModelError, Unanswered
from include.serving.prediction.remote_batches import BATCHES, CALLS, RemoteBatches

REMOTE = Remote("far", "m", "1", "", "tensor", (Port("x", "FP32", (-1, 1)),), (Port("score", "FP32", (-1,)),), 20_000, 4)
HURRIED = replace(REMOTE, timeout_ms=50)


class Far:
    """A server in this process. `told`: raises or answers instead of it."""

    def __init__(self, told: Callable[[Floats], Any] | None = None, remote: Remote = REMOTE) -> None:
        self.remote = remote
        self.told, self.calls = told, []  # type: ignore[var-annotated]

    def score(self, features: Any) -> Floats:
        raise AssertionError("nobody may wait for it here")

    async def score_soon(self, features: Any) -> Floats:
        self.calls.append(len(features))
        await asyncio.sleep(0)
        said = features[:, 0] if self.told is None else self.told(features)
        return np.asarray(await said if asyncio.iscoroutine(said) else said, dtype=np.float32)


def version(far: Far) -> LoadedModel:
    return LoadedModel(7, "d", Encoder((Input("x", "float"),)), far, 1, remote=far.remote, name="late")


def rows(*values: float) -> Floats:
    return np.array(values, dtype=np.float32)[:, None]


def asked(far: Far, *groups: Floats, batches: RemoteBatches | None = None) -> list[Any]:
    """Each group as a caller of its own, all in one turn."""

    async def ask() -> list[Any]:
        one, model = batches or RemoteBatches(), version(far)
        return await asyncio.gather(*(one.score(model, group) for group in groups), return_exceptions=True)

    return [each.tolist() if isinstance(each, np.ndarray) else each for each in asyncio.run(ask())]


def test_callers_of_a_moment_share_a_call_and_each_gets_its_own() -> None:
    far = Far()
    said = asked(far, rows(0.25), rows(0.5, 0.75), rows(1))
    assert said == [[0.25], [0.5, 0.75], [1.0]]
    assert far.calls == [4]


def test_a_caller_with_many_rows_is_sent_in_parts() -> None:
    far = Far()
    assert asked(far, rows(*([0.5] * 9))) == [[0.5] * 9]
    assert far.calls == [4, 4, 1]


def test_what_comes_while_calls_are_under_way_goes_with_the_next() -> None:
    async def ask() -> tuple[list[int], list[Any]]:
        free = asyncio.Event()

        async def wait(features: Floats) -> Floats:
            await free.wait()
            return features[:, 0]

        far = Far(wait)
        batches, model = RemoteBatches(), version(far)
        asked = [batches.score(model, rows(0.5, 0.5, 0.5, 0.5)) for _ in range(CALLS)]
        asked += [batches.score(model, rows(0.25)) for _ in range(3)]
        await asyncio.sleep(0.01)
        before = list(far.calls)
        free.set()
        said = [each.tolist() for each in await asyncio.gather(*asked)]
        return before, [said[-1], far.calls]

    before, (last, calls) = asyncio.run(ask())
    assert before == [4] * CALLS
    assert last == [0.25]
    assert calls == [4] * CALLS + [3]


def test_a_caller_has_an_answer_by_the_timeout_wherever_its_rows_wait() -> None:
    async def hang(features: Floats) -> Floats:
        await asyncio.sleep(5)
        return features[:, 0]

    said = asked(Far(hang, HURRIED), *[rows(0.5, 0.5, 0.5, 0.5)] * (CALLS + 1))
    assert all(isinstance(each, Unanswered) and "no answer within 50 ms" in str(each) for each in said)


def test_rows_that_are_refused_fail_for_nobody_else() -> None:
    def strict(features: Floats) -> Floats:
        if (features == 0.125).any():
            raise DataError("this row is refused")
        return features[:, 0]

    said = asked(Far(strict), rows(0.25), rows(0.125), rows(0.5))
    assert (said[0], said[2]) == ([0.25], [0.5])
    assert isinstance(said[1], ModelError)
    assert not isinstance(said[1], Unanswered)


def test_a_wrong_answer_is_the_versions_fault_and_one_callers_alone() -> None:
    said = asked(Far(lambda features: features[:, 0] * 2), rows(0.25), rows(0.75), rows(np.nan))
    assert said[0] == [0.5]
    assert all("gave no probability" in str(each) for each in said[1:])


def test_more_than_a_few_calls_worth_of_rows_fails_at_once() -> None:
    async def never(features: Floats) -> Floats:
        raise UnreachableError("late")

    most = BATCHES * REMOTE.max_batch
    said = asked(Far(lambda features: never(features)), *[rows(0.5)] * (most + 3))
    assert sum("rows wait for it already" in str(each) for each in said) == 3


def test_what_fails_call_after_call_is_left_alone_then_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=lambda: clock[0]))  # not the event loop's
    opened: list[str] = []
    gone = [True]

    def server(features: Floats) -> Floats:
        if gone[0]:
            raise UnreachableError("away")
        return features[:, 0]

    far = Far(server)

    async def life() -> list[Any]:
        batches, model = RemoteBatches(opened.append), version(far)

        async def one() -> Any:
            try:
                return (await batches.score(model, rows(0.5))).tolist()
            except Unanswered as error:
                return str(error)

        said = []
        for _ in range(6):
            said.append(await one())
            clock[0] += 0.3
        open_now = await asyncio.gather(one(), one())
        gone[0] = False
        clock[0] += 30
        probe = await asyncio.gather(one(), one())
        return [said, open_now, probe, await one()]

    said, open_now, probe, after = asyncio.run(life())
    assert all("away" in each for each in said[:5])
    assert all("left alone" in each for each in open_now)
    assert probe[0] == [0.5]
    assert "left alone" in probe[1]
    assert after == [0.5]
    assert opened == ["late/7"]
    assert len(far.calls) == 7


def test_whatever_is_raised_is_an_error_of_the_version() -> None:
    def broken(features: Floats) -> Floats:
        raise RuntimeError("a defect")

    (said,) = asked(Far(broken), rows(0.5))
    assert isinstance(said, Unanswered)
