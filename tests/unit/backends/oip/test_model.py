"""Scoring on a server as strict as Triton: raw tensors or JSON, in batches it takes; and one that is slow, wrong or gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from include.backends.oip.model import OipModel
from include.backends.oip.wire import CONNECTIONS
from include.core.errors import DataError, PermanentError, UnreachableError
from include.model_contract.batch import Columns
from tests.support.error_message import assert_says
from tests.support.oip_stub import Stub

Opened = Callable[..., OipModel]


def rows(count: int) -> Columns:
    routes = np.array(["sea" if place % 2 else "air" for place in range(count)], dtype=object)
    return Columns({"weight": np.arange(count, dtype=np.float32) / 10, "route": routes})


def expected(count: int) -> np.ndarray[Any, Any]:
    return np.clip(np.arange(count) / 100 + 0.5 * (np.arange(count) % 2), 0, 1).astype(np.float32)


@pytest.mark.parametrize("binary", [True, False], ids=["raw", "json"])
def test_rows_are_scored_in_batches_that_the_server_takes(opened: Opened, stub: Stub, binary: bool) -> None:
    model = opened(binary=binary)
    assert (model.named, model.inputs, model.remote.binary, model.remote.max_batch) == (True, 2, binary, 8)
    np.testing.assert_allclose(model.score(rows(19)), expected(19), atol=1e-6)
    assert stub.batches == [8, 8, 3]


def test_an_event_loop_gets_the_same(opened: Opened) -> None:
    model = opened()
    np.testing.assert_array_equal(asyncio.run(model.score_soon(rows(5))), model.score(rows(5)))


def test_texts_beyond_ascii_and_unknown_numbers_arrive_raw(opened: Opened) -> None:
    seen: list[Any] = []

    def remember(inputs: dict[str, Any]) -> dict[str, Any]:
        seen.append(inputs)
        return {"score": np.zeros((len(inputs["route"]), 1), np.float32)}

    model = opened(score=remember)
    model.score(Columns({"weight": np.array([np.nan], np.float32), "route": np.array(["Überall \N{SNOWMAN}"], dtype=object)}))
    assert seen[0]["route"].tolist() == [["Überall \N{SNOWMAN}"]]
    assert np.isnan(seen[0]["weight"]).all()


def test_a_whole_number_that_is_unknown_is_not_sent(opened: Opened, stub: Stub) -> None:
    stub.inputs[1] = ("weight", "FP32", [-1, 1])
    model = opened()
    port = model.remote.inputs[0]
    object.__setattr__(port, "datatype", "INT64")  # as a server that takes whole numbers has it
    with pytest.raises(DataError) as refused:
        model.score(Columns({"weight": np.array([np.nan], np.float32), "route": np.array(["air"], dtype=object)}))
    assert_says(refused.value, "weight as INT64")
    assert not stub.calls


def test_a_server_that_is_slow_is_given_up_on_time(opened: Opened) -> None:
    model = opened("oip://triton/late/versions/3?timeout_ms=30", hurry=True, delay=0.5)
    with pytest.raises(UnreachableError) as late:
        model.score(rows(1))
    assert_says(late.value, "no answer within 30 ms", "slipstream_oip_triton")
    with pytest.raises(UnreachableError, match="30 ms"):
        asyncio.run(model.score_soon(rows(1)))


def test_many_answers_that_came_too_late_leave_the_connections_usable(opened: Opened, stub: Stub) -> None:
    model = opened("oip://triton/late/versions/3?timeout_ms=60", delay=0.3)

    async def life() -> tuple[list[Any], Any]:
        late = await asyncio.gather(*(model.score_soon(rows(1)) for _ in range(3 * CONNECTIONS)), return_exceptions=True)
        stub.delay = 0.0
        object.__setattr__(model.remote, "timeout_ms", 5000)
        return late, await model.score_soon(rows(2))

    late, after = asyncio.run(life())
    assert all(isinstance(each, UnreachableError) for each in late)
    np.testing.assert_allclose(after, expected(2), atol=1e-6)


def test_a_task_is_more_patient_than_a_caller(opened: Opened) -> None:
    model = opened("oip://triton/late/versions/3?timeout_ms=30", delay=0.1)
    np.testing.assert_allclose(model.score(rows(2)), expected(2), atol=1e-6)


def test_a_server_that_is_gone_is_unreachable_and_its_token_stays_secret(opened: Opened, stub: Stub) -> None:
    model = opened()
    stub.__exit__()
    for ask in (lambda: model.score(rows(1)), lambda: asyncio.run(model.score_soon(rows(1))), model.check):
        with pytest.raises(UnreachableError) as gone:
            ask()
        assert stub.token not in str(gone.value)
        assert_says(gone.value, f"127.0.0.1:{stub.port}")


@pytest.mark.parametrize(
    ("status", "kind"), [(500, UnreachableError), (429, UnreachableError), (400, DataError), (403, PermanentError)]
)
def test_a_refusal_says_whether_the_rows_are_to_blame(
    opened: Opened, stub: Stub, status: int, kind: type[Exception]
) -> None:  # fmt: skip
    model = opened()
    stub.status = status
    with pytest.raises(kind) as refused:
        model.score(rows(1))
    assert isinstance(refused.value, DataError) is (status == 400)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda inputs: {"score": np.zeros((1, 1), np.float32)}, "of shape [1, 1] for 3 rows"),
        (lambda inputs: {"score": np.zeros((3, 2), np.float32)}, "of shape [3, 2] for 3 rows"),
    ],
)
def test_an_answer_of_another_shape_is_wrong(opened: Opened, stub: Stub, said: Any, words: str) -> None:
    model = opened()
    stub.score = said
    with pytest.raises(DataError) as wrong:
        model.score(rows(3))
    assert_says(wrong.value, words)


def test_an_answer_to_another_question_is_not_taken(opened: Opened, stub: Stub) -> None:
    model = opened()
    stub.echo = "another"
    for ask in (lambda: model.score(rows(1)), lambda: asyncio.run(model.score_soon(rows(1)))):
        with pytest.raises(DataError, match="is to another question"):
            ask()


def test_a_model_that_changed_on_its_server_is_found(opened: Opened, stub: Stub) -> None:
    model = opened()
    model.check()
    stub.outputs = [("score", "FP64", [-1, 1])]
    with pytest.raises(DataError, match="another tensor 'score'"):
        model.check()
    stub.versions = ("4",)
    with pytest.raises(DataError, match="is not there"):
        model.check()
