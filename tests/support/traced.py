"""A process that is in a span: a tracer that says which, and keeps its spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from include.core import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept:
    """A span that remembers what it was told."""

    def __init__(self, name: str, attributes: tracing.Attributes) -> None:
        self.name, self.attributes = name, dict(attributes)

    def set(self, attributes: tracing.Attributes) -> None:
        self.attributes.update(attributes)


class InASpan:
    def __init__(self) -> None:
        self.spans: list[Kept] = []

    @contextmanager
    def span(self, name: str, attributes: tracing.Attributes, carrier: object, expected: object) -> Iterator[tracing.Span]:
        del carrier, expected
        self.spans.append(Kept(name, attributes))
        yield self.spans[-1]

    def carrier(self) -> dict[str, str]:
        return {"traceparent": PARENT}

    def flush(self) -> None: ...


def in_a_span(monkeypatch: pytest.MonkeyPatch) -> InASpan:
    made = InASpan()
    monkeypatch.setattr(tracing, "_tracer", made)
    return made
