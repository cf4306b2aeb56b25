"""The SDK of a process: its resource, its exporters, and ids that may be chosen before."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from include.backends.opentelemetry.sampling import Sampling
from include.core import environment
from include.core.author import describe
from include.core.errors import SpecError

EXPORTERS = "opentelemetry_traces_exporter"  # the SDK's entry points
OTLP = "otlp"
TALKATIVE = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.exporter.otlp.proto.grpc.exporter")
PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


class OnceAMinute(logging.Filter):
    """A collector that is away is said now and then: the exporters say it at every try."""

    _next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.created < self._next:
            return False
        self._next = record.created + 60
        return True


class Ids(RandomIdGenerator):
    """Random ids, but for the next trace's where that was drawn already."""

    def __init__(self) -> None:
        self.next_trace = 0

    def generate_trace_id(self) -> int:
        chosen, self.next_trace = self.next_trace, 0
        return chosen or super().generate_trace_id()


def make_provider(program: str) -> tuple[TracerProvider, Ids]:
    """By the variables of OpenTelemetry; what they leave open is ours. Raises SpecError.

    It is this process's own and not the global one: whoever else is in the process is not traced with it.
    """
    ids = Ids()
    exporters = list(_exporters())
    for name in TALKATIVE:
        if not logging.getLogger(name).filters:
            logging.getLogger(name).addFilter(OnceAMinute())
    provider = TracerProvider(resource=_resource(program), id_generator=ids, shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, ids


def check() -> None:
    """Raises SpecError for settings that cannot be followed. Makes nothing: a program may fork after it."""
    Sampling.of()
    for _ in _found():
        pass


def _resource(program: str) -> Resource:
    own = {"slipstream.program": program}
    named = environment.OTEL_SERVICE.read() or "service.name=" in environment.OTEL_RESOURCE.read()
    return Resource.create(own if named else {**own, "service.name": f"slipstream-{program}"})


def _exporters() -> Iterator[SpanExporter]:
    # A private authority is named once for all servers; the variable for the collector alone comes first.
    if authorities := environment.CA_BUNDLE.read():
        os.environ.setdefault("OTEL_EXPORTER_OTLP_CERTIFICATE", authorities)
    for found in _found():
        try:
            yield found.load()()
        except Exception as error:  # of a vendor, over an address or a certificate that it cannot use
            raise SpecError(
                f"The exporter {found.name!r} of traces cannot be made: {describe(error)}.",
                safe="nothing is traced.",
                hint="check OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of OpenTelemetry.",
            ) from error


def _found() -> Iterator[EntryPoint]:
    """What the variables name."""
    for name in (environment.OTEL_EXPORTER.read() or OTLP).split(","):
        found = next(iter(entry_points(group=EXPORTERS, name=_exporter_name(name.strip()))), None)
        if found is None:
            known = sorted({each.name for each in entry_points(group=EXPORTERS)})
            raise SpecError(
                f"{environment.OTEL_EXPORTER.name} names no exporter that is installed.",
                seen=name,
                safe="nothing is traced.",
                hint=f"one of {', '.join(known)} or none; others come with packages of OpenTelemetry.",
            )
        yield found


def _exporter_name(name: str) -> str:
    """That of the protocol, where the name leaves it open. Without one it is gRPC, as in Airflow's processes."""
    protocol = (environment.OTEL_TRACES_PROTOCOL.read() or environment.OTEL_PROTOCOL.read()).strip()
    if name != OTLP or not protocol:
        return name
    if protocol not in PROTOCOLS:
        raise SpecError(
            f"{environment.OTEL_PROTOCOL.name} names no protocol that is installed.",
            seen=protocol,
            safe="nothing is traced.",
            hint=f"one of {', '.join(PROTOCOLS)}.",
        )
    return PROTOCOLS[protocol]
