from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from include.backends.opentelemetry import tracer as module
from include.backends.opentelemetry.tracer import OtelTracer
from include.core.errors import DataError

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """A process whose tracing somebody else has set up, as Airflow does in a task's."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(module.trace, "get_tracer_provider", lambda: provider)
    return kept


def last(exported: InMemorySpanExporter) -> ReadableSpan:
    return exported.get_finished_spans()[-1]


def test_what_is_there_already_is_used(exported: InMemorySpanExporter) -> None:
    tracer = OtelTracer("task")
    with tracer.span("task train", {"n": 1}, None, ()) as span:
        span.set({"more": True})
        assert tracer.carrier()["traceparent"].startswith("00-")
    assert (last(exported).name, dict(last(exported).attributes or {})) == ("task train", {"n": 1, "more": True})
    assert tracer.carrier() == {}
    tracer.flush()


def test_a_span_is_below_the_current_one_and_only_else_below_what_was_received(exported: InMemorySpanExporter) -> None:
    tracer = OtelTracer("job")
    with tracer.span("job", {}, {"traceparent": PARENT}, ()), tracer.span("step", {}, {"traceparent": PARENT}, ()):
        pass
    step, job = exported.get_finished_spans()
    assert job.parent is not None
    assert step.parent is not None
    assert f"{job.parent.span_id:016x}" == PARENT.split("-")[2]
    assert step.parent.span_id == job.context.span_id


def test_an_error_of_ours_says_what_happened_and_never_what_was_seen(exported: InMemorySpanExporter) -> None:
    with pytest.raises(DataError), OtelTracer("task").span("x", {}, None, ()):
        raise DataError("No rows.", seen="a-row-of-data")
    status = last(exported).status
    assert (status.status_code, status.description) == (StatusCode.ERROR, "No rows.")
    assert "a-row-of-data" not in last(exported).to_json()


def test_the_words_of_another_error_stay_here(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="row"), OtelTracer("task").span("x", {}, None, ()):
        raise ValueError("a-row-of-data")
    assert last(exported).status.description == "ValueError"
    assert "a-row-of-data" not in last(exported).to_json()


def test_what_only_steers_is_no_error(exported: InMemorySpanExporter) -> None:
    class Deferred(BaseException):
        pass

    with pytest.raises(KeyError), OtelTracer("task").span("x", {}, None, (KeyError,)):
        raise KeyError("skipped")
    assert last(exported).status.status_code is StatusCode.UNSET
    with pytest.raises(Deferred), OtelTracer("task").span("x", {}, None, ()):
        raise Deferred
    assert last(exported).status.status_code is StatusCode.UNSET


def test_a_collector_that_is_away_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.05)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    tracer = OtelTracer("task")
    with tracer.span("x", {}, None, ()):
        assert trace.get_current_span().is_recording()
    tracer.flush()
