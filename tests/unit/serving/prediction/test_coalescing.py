from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from include.serving.http.admission import Admission
from include.serving.prediction.coalescing import PendingRequest, RequestCoalescer


class Answers:
    """Answers each request with the number of those that came together; fails on a batch that holds "bad"."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, requests: list[PendingRequest], finished: Callable[[], None]) -> None:
        self.batches.append(len(requests))
        if any("bad" in request.items for request in requests):
            raise ValueError("cannot be scored")
        for request in requests:
            request.answer(str(len(requests)).encode())
        finished()


def ask(*requests: list[str], answerers: tuple[Answers, ...]) -> tuple[list[Any], Admission]:
    """All in one iteration of the event loop, by turns to each of the answerers."""
    admission = Admission()

    async def run() -> list[Any]:
        coalescer, loop = RequestCoalescer(admission), asyncio.get_running_loop()
        replies = [loop.create_future() for _ in requests]
        for number, (items, reply) in enumerate(zip(requests, replies, strict=True)):
            items_of: Any = items
            coalescer.join(answerers[number % len(answerers)], items_of, False, None, reply)
        assert admission.waiting == sum(len(items) for items in requests)
        return list(await asyncio.gather(*replies, return_exceptions=True))

    return asyncio.run(run()), admission


def test_what_arrives_in_one_iteration_is_answered_together() -> None:
    one = Answers()
    replies, admission = ask(["a"], ["b", "c"], ["d"], answerers=(one,))
    assert (replies, one.batches, admission.waiting) == ([b"3"] * 3, [3], 0)


def test_each_answerer_gets_its_own() -> None:
    one, other = Answers(), Answers()
    replies, _ = ask(["a"], ["b"], ["c"], answerers=(one, other))
    assert (replies, one.batches, other.batches) == ([b"2", b"1", b"2"], [2], [1])


def test_one_bad_request_fails_alone_and_the_others_are_asked_once_more(caplog: pytest.LogCaptureFixture) -> None:
    one = Answers()
    replies, admission = ask(["a"], ["bad"], ["c"], answerers=(one,))
    assert (replies[0], replies[2]) == (b"1", b"1")
    assert isinstance(replies[1], ValueError)
    assert (one.batches, admission.waiting) == ([3, 1, 1, 1], 0)
    assert "a batch of requests failed" in caplog.text


def test_a_bad_request_by_itself_is_not_asked_again() -> None:
    one = Answers()
    replies, admission = ask(["bad", "bad"], answerers=(one,))
    assert isinstance(replies[0], ValueError)
    assert (one.batches, admission.waiting) == ([1], 0)


def test_a_caller_that_has_left_is_answered_without_a_word() -> None:
    async def run() -> None:
        reply = asyncio.get_running_loop().create_future()
        reply.cancel()
        request = PendingRequest([], False, None, reply)
        request.answer(b"late")
        request.fail(ValueError("late"))
        assert reply.cancelled()

    asyncio.run(run())
