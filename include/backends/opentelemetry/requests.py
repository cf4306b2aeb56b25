"""Requests that are recorded: the caller's trace goes on, as W3C Trace Context says, or one begins here.

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/ (`traceparent`, `tracestate`), and its second level for
`traceresponse`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import getrandbits
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from include.backends.opentelemetry.provider import Ids
from include.backends.opentelemetry.sampling import ALL, Sampling
from include.core.tracing import Attributes, Headers, Part

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NEVER, _FIRST = b"ff", b"00"  # versions: one that there is not, and the one without a tail
KEPT = 1000  # headers that are remembered, each by itself: so no other object has its number
_HALF = ALL.bit_length() - 1  # bits


class Parent(NamedTuple):
    """What a caller says of its span."""

    trace: int
    span: int
    sampled: bool


class RecordedRequest:
    """The span of a request, open until `finish`; the spans of its parts are made then, when the answer is out."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer, self._span = tracer, span
        context = span.get_span_context()
        self.header = b"00-%032x-%016x-01" % (context.trace_id, context.span_id)

    def finish(self, name: str, end: int, attributes: Attributes, parts: Sequence[Part], error: str = "") -> None:
        span = self._span
        span.update_name(name)
        span.set_attributes(attributes)
        if error:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))
        below = set_span_in_context(span)
        for part in parts:
            child = self._tracer.start_span(part.name, below, attributes=part.attributes, start_time=part.start)
            child.end(part.end)
        span.end(end)


class RequestSampler:
    """Whether a request is recorded. Of one that is not, all that is made is a random number."""

    def __init__(self, tracer: Tracer, ids: Ids, sampling: Sampling) -> None:
        self._tracer, self._ids, self._sampling = tracer, ids, sampling
        self._bound = sampling.bound
        self._alone: dict[int, Headers] = {}  # headers that name no parent: a caller's are the same object again and again

    def __call__(self, headers: Headers) -> RecordedRequest | None:
        if self._alone.get(id(headers)) is not headers:
            parent = parent_of(headers)
            if parent is not None:
                return self._continue(parent, headers)
            if len(self._alone) >= KEPT:
                self._alone.clear()
            self._alone[id(headers)] = headers
        low = getrandbits(_HALF)
        if low >= self._bound:
            return None
        # The SDK draws no other: its sampler then says the same of this trace as was said here.
        self._ids.next_trace = getrandbits(_HALF) << _HALF | low
        return self._begin(Context())

    def _continue(self, parent: Parent, headers: Headers) -> RecordedRequest | None:
        sampled = parent.sampled if self._sampling.parent else self._sampling.records(parent.trace)
        if not sampled:
            return None
        flags, state = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT), _state_of(headers)
        remote = SpanContext(parent.trace, parent.span, is_remote=True, trace_flags=flags, trace_state=state)
        return self._begin(set_span_in_context(NonRecordingSpan(remote), Context()))

    def _begin(self, context: Context) -> RecordedRequest:
        return RecordedRequest(self._tracer, self._tracer.start_span("request", context, SpanKind.SERVER))


def parent_of(headers: Headers) -> Parent | None:
    """The caller's span; None where it names none, two, or one that the standard does not allow: that is as good as absent."""
    given = [value for name, value in headers if name == b"traceparent"]
    found = _PARENT.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        return None
    version, trace, span, flags, tail = found.groups()
    if version == _NEVER or (version == _FIRST and tail is not None) or not int(trace, 16) or not int(span, 16):
        return None
    return Parent(int(trace, 16), int(span, 16), bool(int(flags, 16) & TraceFlags.SAMPLED))


def _state_of(headers: Headers) -> TraceState:
    return TraceState.from_header([value.decode("latin-1") for name, value in headers if name == b"tracestate"])
