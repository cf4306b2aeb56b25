"""Tracing is off until OpenTelemetry's variables say otherwise, and then costs what is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from include.core import tracing
from include.core.adapters import ADAPTERS
from include.core.digest import PROJECT
from include.core.errors import SpecError

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Fake:
    """A tracer that remembers the names of its spans."""

    def __init__(self, program: str) -> None:
        self.program, self.names = program, list[str]()

    @contextmanager
    def span(self, name: str, attributes: object, carrier: object, expected: object) -> Iterator[tracing.Span]:
        del attributes, carrier, expected
        self.names.append(name)
        yield tracing.NOTHING

    def carrier(self) -> dict[str, str]:
        return {"traceparent": PARENT, "tracestate": "shop=1"}

    def flush(self) -> None:
        self.names.append("flush")


def broken(program: str) -> tracing.Tracer:
    raise SpecError(f"{program} cannot be traced.", hint="mend it.")


@pytest.fixture(autouse=True)
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_tracer", None)
    for name in (
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, False),
        ({"OTEL_SERVICE_NAME": "shop", "OTEL_TRACES_SAMPLER": "always_on"}, False),
    ],
)
def test_an_exporter_or_an_endpoint_switches_it_on(environ: Mapping[str, str], on: bool) -> None:
    assert tracing.is_on(environ) is on


def test_off_there_is_nothing_to_hand_on() -> None:
    assert tracing.start("task") is None
    with tracing.span("work") as span:
        span.set({"a": 1})
    assert (tracing.headers(), tracing.handed_on(), tracing.ids()) == ({}, {}, {})
    tracing.flush()
    tracing.check()


@pytest.mark.lives
def test_off_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; from include.core import tracing, logs, error_reports; import include.gateway.build, include.core.task;"
        "import include.serving.traced_gateway;"
        "tracing.start('gateway'); tracing.check(); error_reports.start('gateway'); logs.configure('gateway');"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'sentry'))])"
    )
    environ = {"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (ended.stdout.strip(), ended.stderr) == ("[]", "")


def test_what_a_task_hands_on_its_job_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAPTERS, "tracing", f"{__name__}:Fake")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    tracing.start("task")
    handed_on = tracing.handed_on()
    assert handed_on == {"TRACEPARENT": PARENT, "TRACESTATE": "shop=1"}
    assert tracing.received(handed_on) == {"traceparent": PARENT, "tracestate": "shop=1"}
    assert tracing.ids() == {"trace_id": PARENT.split("-")[1], "span_id": PARENT.split("-")[2]}


def test_a_process_starts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAPTERS, "tracing", f"{__name__}:Fake")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    first, again = tracing.start("task"), tracing.start("other")
    assert isinstance(first, Fake)
    assert first is again
    with tracing.span("work"):
        pass
    tracing.flush()
    assert (first.program, first.names) == ("task", ["work", "flush"])


def test_settings_that_cannot_be_followed_stop_no_work(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(ADAPTERS, "tracing", f"{__name__}:broken")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    assert tracing.start("job") is None
    assert "job cannot be traced." in caplog.text
