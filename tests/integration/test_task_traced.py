"""A task's trace, as a collector sees it: the task, its job in a process of its own, and the step in that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.core import tracing
from include.core.digest import PROJECT
from include.core.request import Request
from include.services.services import Services
from operators.base import ComputeOperator
from tests.support.operator_runs import settle_in
from tests.support.otlp_collector import Collector, running_collector


class DoubleOperator(ComputeOperator):
    step = "double"
    function = "tests.unit.operators.steps:double"

    def build(self, context: Any, services: Services) -> Request:
        del context
        marks = str(services.settings.home / "marks")
        return Request(self.step, self.function, self.model, {"n": 21, "marks": marks}, {}, "code")


class RefuseOperator(DoubleOperator):
    step = "refuse"
    function = "tests.unit.operators.steps:refuse"


@pytest.fixture
def collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    settle_in(tmp_path, monkeypatch)
    monkeypatch.setattr(tracing, "_tracer", None)
    with running_collector() as collector:
        for name, value in collector.environ().items():
            monkeypatch.setenv(name, value)
        yield collector


def run(operator: ComputeOperator) -> Any:
    ti = SimpleNamespace(dag_id="m_training", run_id="manual__1", task_id="train", map_index=-1, try_number=2, stats_tags={})
    context: Any = {"ti": ti, "params": {}, "dag_run": SimpleNamespace(run_type="manual", conf={}), "task_state_store": None}
    return operator.execute(context)


def test_a_job_and_its_step_are_below_the_task_and_its_log_names_it(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_LOG_FORMAT", "json")
    run(DoubleOperator(task_id="train", model="m", where="job", deferrable=False, poll_seconds=0.1))
    task, job, step = collector.one("task double"), collector.one("job double"), collector.one("step double")
    assert (job.trace, job.parent) == (task.trace, task.id)
    assert (step.trace, step.parent) == (job.trace, job.id)
    assert task.attributes["airflow.dag_run.run_id"] == "manual__1"
    assert task.attributes["airflow.task_instance.try_number"] == 2
    assert task.attributes["slipstream.reused"] is False
    assert job.attributes["slipstream.key"] == task.attributes["slipstream.key"]
    assert [each.resource["service.name"] for each in (task, job)] == ["slipstream-task", "slipstream-job"]
    assert task.start <= job.start <= step.start <= step.end <= job.end

    (log,) = (tmp_path / "jobs").glob("*/log")
    (line,) = [told for text in log.read_text().splitlines() if "committed" in (told := json.loads(text))["message"]]
    about = {name: line[name] for name in ("program", "dag_id", "run_id", "task_id", "map_index", "try_number", "model")}
    assert about == {
        "program": "job", "dag_id": "m_training", "run_id": "manual__1", "task_id": "train", "map_index": -1, "try_number": 2,
        "model": "m",
    }  # fmt: skip


def test_a_step_in_the_tasks_own_process_is_below_it(collector: Collector) -> None:
    run(DoubleOperator(task_id="train", model="m"))
    task, step = collector.one("task double"), collector.one("step double")
    assert step.parent == task.id
    again = run(DoubleOperator(task_id="train", model="m"))
    assert again
    assert [span.attributes["slipstream.reused"] for span in collector.named("task double")] == [False, True]


def test_what_a_job_died_of_is_told_where_it_died_and_where_it_was_waited_for(collector: Collector) -> None:
    with pytest.raises(Exception, match="There are no labels"):
        run(RefuseOperator(task_id="train", model="m", where="job", deferrable=False, poll_seconds=0.1))
    for name in ("task refuse", "job refuse", "step refuse"):
        span = collector.one(name)
        assert (span.status, span.said) == (2, "There are no labels.")


# What Airflow's task runner does around a task: its own SDK, its span of the task, its flush.
AS_AIRFLOW = """
from types import SimpleNamespace
from airflow.sdk.configuration import conf
from airflow.sdk._shared.observability.traces import configure_otel
from airflow.sdk.execution_time.task_runner import _make_task_span, flush_spans
from tests.integration.test_task_traced import DoubleOperator, run

ti = SimpleNamespace(
    context_carrier={{"traceparent": "{parent}"}}, task_id="train", map_index=-1, dag_id="m_training", run_id="r", try_number=2
)
configure_otel(conf)
with flush_spans(), _make_task_span(SimpleNamespace(ti=ti)):
    run(DoubleOperator(task_id="train", model="m"))
"""


@pytest.mark.whole
def test_where_airflow_traces_its_tasks_ours_are_below_its_span_and_sent_once(collector: Collector, tmp_path: Path) -> None:
    environ = {
        **os.environ, "AIRFLOW__TRACES__OTEL_ON": "true", "OTEL_TRACES_EXPORTER": "otlp_proto_http",
        "OTEL_SERVICE_NAME": "airflow", "AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": str(PROJECT),
    }  # fmt: skip
    code = AS_AIRFLOW.format(parent=f"00-{'a' * 32}-{'b' * 16}-01")
    ended = subprocess.run([sys.executable, "-c", code], env=environ, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    worker, task, step = (collector.one(name) for name in ("worker.train", "task double", "step double"))
    assert (worker.trace, worker.parent) == ("a" * 32, "b" * 16)
    assert (task.parent, step.parent) == (worker.id, task.id)
    assert {each.resource["service.name"] for each in collector.spans} == {"airflow"}
