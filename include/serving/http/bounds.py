"""What one caller, and all of them together, may take of a worker: bytes, connections and seconds.

Seconds are watched by one sweep a second over all connections (include/serving/http/connections.py): a timer a request would
cost as much as the request's head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from include.core.environment import BOUNDS
from include.core.errors import SpecError

MAX_TARGET = 8 << 10  # bytes of the request's path and query
MAX_HEAD = 16 << 10  # bytes, from the method to the blank line
MAX_HEADERS = 100
MAX_BODY = 8 << 20  # bytes, as sent and decompressed
MAX_CHUNK_LINE = 256  # bytes of a chunk's size and its extensions
MAX_TRAILERS = 4 << 10  # bytes behind a chunked body
FREE_OVERHEAD = 64 << 10  # bytes that the frames of chunks may take; beyond it no more than the body itself
MAX_BUFFERED = 256 << 20  # bytes of bodies that are under way, in one worker
MAX_DISCARDED = 16 << 20  # bytes that a caller may go on sending after it was refused
LINGER_SECONDS = 3.0  # in which a caller that was refused may read why


@dataclass(frozen=True)
class Bounds:
    """Those that an operator may set, each as `SLIPSTREAM_GATEWAY_<FIELD>`."""

    head_seconds: float = 10.0  # from a head's first byte, or from the connection, to its last
    body_seconds: float = 20.0  # from the head to the body's last byte
    idle_seconds: float = 75.0  # between two requests: longer than clients keep theirs, so that they close first
    write_seconds: float = 30.0  # in which a caller must take of an answer that does not fit the socket
    connections: int = 1000  # of one worker

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Raises SpecError, which names the variable."""
        given: dict[str, Any] = {
            field: _number(variable.name, variable.read(environ), type(getattr(cls, field)))
            for field, variable in BOUNDS.items()
            if variable.is_set(environ)
        }
        return cls(**given)


def _number(name: str, text: str, kind: type) -> float:
    try:
        value: float = kind(text)
    except ValueError:
        value = 0
    if not 0 < value <= 1_000_000:
        raise SpecError(f"{name} is no number above 0.", seen=text, safe="the gateway did not start.", hint=f"set {name}=10.")
    return value
