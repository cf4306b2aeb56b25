from __future__ import annotations

import logging

import pytest

from include.backends.opentelemetry.provider import OnceAMinute, check, make_provider
from include.core.errors import SpecError


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_TRACES_SAMPLER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")


def test_a_service_is_named_after_its_program_unless_a_variable_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_provider("job")[0].resource.attributes["service.name"] == "slipstream-job"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    attributes = make_provider("job")[0].resource.attributes
    assert (attributes["service.name"], attributes["slipstream.program"]) == ("shop", "job")


def test_a_trace_has_the_id_that_was_drawn_for_it_once() -> None:
    provider, ids = make_provider("gateway")
    tracer = provider.get_tracer("x")
    ids.next_trace = 77
    assert tracer.start_span("a").get_span_context().trace_id == 77
    assert tracer.start_span("b").get_span_context().trace_id != 77


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_TRACES_EXPORTER", "pigeon", "otlp_proto_http"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "always_on"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=f"(?s){name}.*{value}.*{words}"):
        check()


def test_a_protocol_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke")
    with pytest.raises(SpecError, match="http/protobuf"):
        check()


def test_a_collector_that_is_away_is_said_once_a_minute() -> None:
    once = OnceAMinute()
    said = [once.filter(logging.makeLogRecord({"created": at})) for at in (100.0, 101.0, 159.0, 160.0, 161.0)]
    assert said == [True, False, False, True, False]
