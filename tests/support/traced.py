"""A process that is in a span: a tracer that says which, and keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from include.core import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class InASpan:
    @contextmanager
    def span(self, name: str, attributes: object, carrier: object, expected: object) -> Iterator[tracing.Span]:
        del name, attributes, carrier, expected
        yield tracing.NOTHING

    def carrier(self) -> dict[str, str]:
        return {"traceparent": PARENT}

    def flush(self) -> None: ...


def in_a_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_tracer", InASpan())
