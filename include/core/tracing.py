"""Where time goes, through every process: spans of OpenTelemetry where its own variables ask for them, and else nothing.

While it is off nothing of OpenTelemetry is imported, and a span costs one look at a name that is None. It is on where an exporter
or an endpoint is named (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT), and off again by OTEL_SDK_DISABLED=true.

A span holds names, counts, versions and ids: never an entity, a feature's value, or the text of an exception that is not ours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol

from include.core.adapters import adapter
from include.core.environment import OTEL_DISABLED, OTEL_ENDPOINT, OTEL_EXPORTER, OTEL_TRACES_ENDPOINT, TRACEPARENT, TRACESTATE
from include.core.errors import SlipstreamError, one_line

log = logging.getLogger(__name__)
Attributes = Mapping[str, str | bool | int | float | Sequence[str]]
Headers = Sequence[tuple[bytes, bytes]]  # of a request: names in lower case


class Span(Protocol):
    def set(self, attributes: Attributes) -> None: ...


class Part(NamedTuple):
    """What of a request's time went to one thing. `start` and `end`: nanoseconds since 1970."""

    name: str
    start: int
    end: int
    attributes: Attributes


class RequestTrace(Protocol):
    """Of one request that is recorded."""

    header: bytes
    """What the answer says in `traceresponse`, by which its caller finds the trace."""

    def finish(self, name: str, end: int, attributes: Attributes, parts: Sequence[Part], error: str = "") -> None:
        """Hand it over for export. `error`: the kind of one that a mending of ours would take; empty where there is none."""


class Tracer(Protocol):
    """The port. Its methods never fail for want of a collector."""

    def span(
        self, name: str, attributes: Attributes, carrier: Mapping[str, str] | None, expected: tuple[type[BaseException], ...]
    ) -> AbstractContextManager[Span]:
        """Below the current span, else below what the carrier names. An exception of an `expected` class is no error."""

    def carrier(self) -> dict[str, str]:
        """The current span as W3C headers (`traceparent`, `tracestate`); empty where there is none."""

    def requests(self) -> Callable[[Headers], RequestTrace | None]:
        """What says of a request's headers whether it is recorded, in less than a microsecond where it is not."""

    def flush(self) -> None:
        """Send what has ended; waits for a collector a few seconds at most."""


class _Nothing:
    def set(self, attributes: Attributes) -> None:
        del attributes


NOTHING: Span = _Nothing()
_tracer: Tracer | None = None  # of this process, once it was started


def is_on(environ: Mapping[str, str] | None = None) -> bool:
    """Whether OpenTelemetry's variables ask for traces."""
    if OTEL_DISABLED.is_on(environ):
        return False
    exporter = OTEL_EXPORTER.read(environ).strip().lower()
    if exporter:
        return exporter != "none"
    return bool(OTEL_ENDPOINT.read(environ) or OTEL_TRACES_ENDPOINT.read(environ))


def check() -> None:
    """Raises SpecError for settings that cannot be followed: for a program that a person starts, before it does anything."""
    if is_on():
        look: Callable[[], object] = adapter("tracing.check")
        look()


def start(program: str) -> Tracer | None:
    """Trace this process, if that is on; `program` names its service where no variable does. May be called again.

    Settings that cannot be followed are logged: no task and no job fails for want of its trace.
    """
    global _tracer
    if _tracer is None and is_on():
        try:
            opener: Callable[[str], Tracer] = adapter("tracing")
            _tracer = opener(program)
        except SlipstreamError as error:
            log.warning("Nothing is traced: %s", one_line(error))
    return _tracer


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    carrier: Mapping[str, str] | None = None,
    expected: tuple[type[BaseException], ...] = (),
) -> Iterator[Span]:
    """A span around what follows, in a process that was started; nothing in any other."""
    if _tracer is None:
        yield NOTHING
        return
    with _tracer.span(name, attributes or {}, carrier, expected) as made:
        yield made


def headers() -> dict[str, str]:
    """What a request to another server says of the current span; empty where nothing is traced."""
    return {} if _tracer is None else _tracer.carrier()


def ids() -> dict[str, str]:
    """The current span as a line of a log names it; empty where nothing is traced."""
    given = headers().get("traceparent", "").split("-")
    return {"trace_id": given[1], "span_id": given[2]} if len(given) > 2 else {}


def handed_on() -> dict[str, str]:
    """The same as the environment of a process, by the names that OpenTelemetry's specification gives them."""
    names = {"traceparent": TRACEPARENT.name, "tracestate": TRACESTATE.name}
    return {names[name]: value for name, value in headers().items() if name in names}


def received(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What `handed_on` was in the process that started this one."""
    given = {"traceparent": TRACEPARENT.read(environ), "tracestate": TRACESTATE.read(environ)}
    return {name: value for name, value in given.items() if value}


def flush() -> None:
    """Send what has ended, before this process does."""
    if _tracer is not None:
        _tracer.flush()
