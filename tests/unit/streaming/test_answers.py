"""Each request of a topic has one answer, whatever is killed when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from include.streaming.answers import AnswerLoop, id_of
from include.streaming.loop import Limits
from include.streaming.telemetry import StreamMetrics
from tests.support.event_logs import MemoryAnswers, MemoryConsumer, MemoryLog

PLACES = [("requests", 0), ("requests", 1)]


class Doubles:
    """A predictor that says the id again; `away` times it says that nobody serves the model."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.asked: list[bytes] = []

    def answer(self, bodies: Sequence[bytes]) -> Sequence[tuple[int, bytes]]:
        if self.away:
            self.away -= 1
            return [(503, b'{"error": "soon"}')] * len(bodies)
        self.asked += bodies
        return [
            (200, json.dumps({"id": id_of(body), "score": 0.5}).encode())
            if id_of(body)
            else (400, b'{"error": "no id", "field": "id"}')
            for body in bodies
        ]


def world(count: int = 60) -> MemoryLog:
    log = MemoryLog({"requests": 2, "answers": 1})
    for number in range(count):
        log.send("requests", {"id": f"r{number}", "entity": {}}, number % 2)
    return log


def loop(log: MemoryLog, predictor: Any = None, **limits: Any) -> tuple[AnswerLoop, MemoryAnswers, MemoryConsumer]:
    consumer = MemoryConsumer(log, PLACES)
    writer = MemoryAnswers(consumer)
    given = Limits(**{"batch": 7, "wait": 0.0, **limits})
    return AnswerLoop("toy", consumer, writer, predictor or Doubles(), StreamMetrics("toy"), given), writer, consumer


def answers(log: MemoryLog) -> list[dict[str, Any]]:
    return [json.loads(event.value) for event in log.places["answers", 0]]


def run(log: MemoryLog, predictor: Any = None, **limits: Any) -> AnswerLoop:
    made, _, _ = loop(log, predictor, **limits)
    made.run(lambda: False, until_end=True)
    return made


@pytest.mark.parametrize("after", [1, 3, 8])
def test_a_kill_between_answers_and_position_gives_no_second_answer(after: int) -> None:
    log = world()
    made, writer, consumer = loop(log)
    consumer.start(made)
    for _ in range(after):
        made.step()
    writer.torn = True
    with pytest.raises(KeyboardInterrupt):
        made.step()
    run(log)
    assert sorted(each["id"] for each in answers(log)) == sorted(f"r{number}" for number in range(60))


def test_an_id_that_comes_again_is_passed_over_also_after_a_restart() -> None:
    log = world(20)
    run(log)
    for number in (3, 19):
        log.send("requests", {"id": f"r{number}"}, number % 2)
    made = run(log)
    assert len(answers(log)) == 20
    assert made.metrics.value("set_aside_total", "repeated") == 2


def test_a_refusal_is_an_answer_too_and_says_of_what() -> None:
    log = world(4)
    log.send("requests", b"{", 0)
    log.send("requests", {"entity": {}}, 1)
    made = run(log)
    assert [each for each in answers(log) if "error" in each] == [
        {"error": "no id", "id": None, "status": 400, "field": "id"}
    ] * 2
    assert (made.metrics.value("answers_total", "answered"), made.metrics.value("answers_total", "refused")) == (4, 2)


def test_it_waits_for_a_model_that_nobody_serves_yet() -> None:
    log, predictor = world(10), Doubles(away=2)
    run(log, predictor)
    assert len(answers(log)) == 10
    assert len(predictor.asked) == 10


def test_a_process_that_lost_its_places_writes_nothing() -> None:
    log = world()
    made, _, consumer = loop(log)
    consumer.start(made)
    consumer.refuse = True
    made.step()
    assert answers(log) == []
    run(log)
    assert len(answers(log)) == 60


def test_from_start_answers_again_what_has_no_answer() -> None:
    log = world(10)
    run(log)
    log.places["answers", 0] = []
    run(log, from_start=True)
    assert len(answers(log)) == 10
