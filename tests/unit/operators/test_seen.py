"""What others see of a task: names, ids and counts, and nothing of its data."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from include.core import logs, tracing
from operators.seen import of_task, of_verdict, seen


class Fake:
    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.flushed = 0

    @contextmanager
    def span(self, name: str, attributes: Any, carrier: object, expected: object) -> Iterator[tracing.Span]:
        del carrier, expected
        self.made.append((name, dict(attributes)))
        yield tracing.NOTHING

    def carrier(self) -> dict[str, str]:
        return {}

    def flush(self) -> None:
        self.flushed += 1


def context(index: int | None = 3) -> Any:
    return {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=index, try_number=2)}


def test_a_task_is_a_span_that_is_sent_whatever_becomes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    monkeypatch.setattr(tracing, "_tracer", fake)
    with pytest.raises(ValueError, match="x"), seen("task train", "m", context(), {"slipstream.resumed": True}):
        raise ValueError("x")
    ((name, attributes),) = fake.made
    assert name == "task train"
    assert attributes == {
        "slipstream.model": "m", "slipstream.resumed": True, "airflow.dag_id": "d", "airflow.dag_run.run_id": "r",
        "airflow.task_id": "t", "airflow.task_instance.map_index": 3, "airflow.task_instance.try_number": 2,
    }  # fmt: skip
    assert fake.flushed == 1


def test_the_lines_of_a_task_and_of_its_jobs_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_tracer", None)
    with seen("task train", "m", context()):
        line = json.loads(logs.JsonLines("task").format(logging.makeLogRecord({"msg": "x"})))
        handed_on = logs.received(logs.handed_on())
    assert (line["dag_id"], line["map_index"], line["model"]) == ("d", 3, "m")
    assert handed_on == {**of_task(context()), "model": "m"}


def test_a_task_that_is_not_mapped_has_no_place() -> None:
    assert of_task(context(None))["map_index"] == -1


def test_a_verdict_is_told_with_its_counts() -> None:
    evidence = {"champion": {"requests": 90, "errors": 1}, "challenger": {"requests": 10, "scores": [0.5]}, "slices": {}}
    told = of_verdict("canary_5", "r-1", {"answer": "promote", "reasons": ["seen"], "evidence": evidence})
    assert told == {
        "slipstream.rollout": "r-1", "slipstream.stage": "canary_5", "slipstream.verdict": "promote",
        "slipstream.reasons": ["seen"], "slipstream.evidence.champion.requests": 90, "slipstream.evidence.champion.errors": 1,
        "slipstream.evidence.challenger.requests": 10,
    }  # fmt: skip


def test_what_is_not_decided_yet_says_so() -> None:
    assert of_verdict("shadow", "r-1", None)["slipstream.verdict"] == "insufficient"
    assert of_verdict("shadow", "r-1", {"answer": "hold", "reasons": []})["slipstream.verdict"] == "hold"
