"""The port of tracing (include/core/tracing.py), by OpenTelemetry's SDK.

In a task of Airflow whose own tracing is on (`[traces] otel_on`), Airflow has an SDK already: its exporter, its span of the task
and its flush are used, and none is made beside it.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from include.backends.opentelemetry.provider import make_provider
from include.backends.opentelemetry.requests import RequestSampler
from include.backends.opentelemetry.sampling import Sampling
from include.core.errors import SlipstreamError
from include.core.tracing import Attributes, Headers, RequestTrace

SCOPE = "slipstream"
FLUSH_SECONDS = 3.0  # a collector that is away costs a task or the end of a process this, and its spans
_W3C = TraceContextTextMapPropagator()


class OwnSpan:
    """What whoever opened a span may do with it."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)


class OtelTracer:
    def __init__(self, program: str) -> None:
        """Raises SpecError for settings that cannot be followed."""
        self._program, self._sampling = program, Sampling.of()
        there = trace.get_tracer_provider()
        self._own = None if isinstance(there, TracerProvider) else make_provider(program)
        self._provider = there if self._own is None else self._own[0]
        self._tracer = self._provider.get_tracer(SCOPE)
        if self._own is not None:
            atexit.register(self._end)

    @contextmanager
    def span(
        self, name: str, attributes: Attributes, carrier: Mapping[str, str] | None, expected: tuple[type[BaseException], ...]
    ) -> Iterator[OwnSpan]:
        given = None
        if carrier and not trace.get_current_span().get_span_context().is_valid:
            given = _W3C.extract(carrier)
        opened = self._tracer.start_span(name, context=given, attributes=attributes)
        # The SDK would write down an exception's text, and those that only steer, too: what is written is ours to choose.
        with trace.use_span(opened, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield OwnSpan(opened)
            except Exception as error:
                if not isinstance(error, expected):
                    _fail(opened, error)
                raise

    def carrier(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        _W3C.inject(headers)
        return headers

    def requests(self) -> Callable[[Headers], RequestTrace | None]:
        if self._own is None:  # nobody serves in a process of Airflow's
            self._own = make_provider(self._program)
        provider, ids = self._own
        return RequestSampler(provider.get_tracer(SCOPE), ids, self._sampling)

    def flush(self) -> None:
        if self._own is not None:
            _within(FLUSH_SECONDS, self._own[0].force_flush)

    def _end(self) -> None:
        self.flush()
        if self._own is not None:
            _within(FLUSH_SECONDS, self._own[0].shutdown)


def _fail(span: Span, error: Exception) -> None:
    """What happened in our words; of an error that is not ours its class, for its text may hold an author's rows."""
    what = error.what if isinstance(error, SlipstreamError) else type(error).__name__
    span.set_attributes({"error.type": type(error).__name__})
    span.set_status(Status(StatusCode.ERROR, what))


def _within(seconds: float, work: Callable[[], object]) -> None:
    """The SDK waits for its exporter as long as that tries; nobody here does."""
    thread = threading.Thread(target=work, name="otel-flush", daemon=True)
    with suppress(RuntimeError):  # the interpreter ends, and starts no thread any more
        thread.start()
        thread.join(seconds)
