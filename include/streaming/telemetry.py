"""What a stream's process says of itself, as Prometheus reads it, on a port of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from include.core.time import now
from include.event_log.port import Place
from include.serving.telemetry.exposition import Family, Sample, lines

KEPT = 4096  # latencies that the quantiles are of
_OWNER = ("owner",)
FAMILIES = (
    Family("slipstream_stream_events_total", "Events that were read and count.", "counter", _OWNER),
    Family("slipstream_stream_rows_total", "Rows that were written online.", "counter", ("owner", "view")),
    Family(
        "slipstream_stream_set_aside_total", "Events that were set aside: late, or not to be read.", "counter", ("owner", "why")
    ),
    Family(
        "slipstream_stream_answers_total", "Answers that were written to the topic of answers.", "counter", ("owner", "status")
    ),
    Family(
        "slipstream_stream_lag",
        "Events of a place that are not read yet; of Redis, milliseconds of them.",
        "gauge",
        ("owner", "topic", "partition"),
    ),
    Family("slipstream_stream_watermark_seconds", "The event time up to which rows are written, since 1970.", "gauge", _OWNER),
    Family("slipstream_stream_held_events", "Events that are kept in memory.", "gauge", _OWNER),
    Family("slipstream_stream_blocked", "1 while what is written to does not answer, and nothing is read.", "gauge", _OWNER),
    Family("slipstream_stream_alive_seconds", "When the last batch ended, since 1970.", "gauge", _OWNER),
    Family("slipstream_stream_latency_seconds", "From an event in the log to its rows online.", "gauge", ("owner", "quantile")),
)


class StreamMetrics:
    """Written by the stream's thread, read by the page's."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._values: dict[tuple[str, tuple[str, ...]], float] = {}
        self._latencies: deque[float] = deque(maxlen=KEPT)
        self._lag: Mapping[Place, int] = {}

    def add(self, name: str, label: str = "", by: float = 1) -> None:
        key = (f"slipstream_stream_{name}", (self._owner, label) if label else (self._owner,))
        self._values[key] = self._values.get(key, 0) + by

    def set(self, name: str, value: float) -> None:
        self._values[f"slipstream_stream_{name}", (self._owner,)] = value

    def lag(self, found: Mapping[Place, int]) -> None:
        self._lag = dict(found)

    def took(self, seconds: float) -> None:
        self._latencies.append(seconds)

    def value(self, name: str, label: str = "") -> float:
        return self._values.get((f"slipstream_stream_{name}", (self._owner, label) if label else (self._owner,)), 0)

    def total(self, what: str) -> float:
        """Of all labels."""
        name = f"slipstream_stream_{what}_total"
        return sum(value for (each, _), value in self._values.items() if each == name)

    def quantile(self, share: float) -> float | None:
        """Seconds; None where nothing was written yet."""
        known = sorted(self._latencies)
        return known[min(len(known) - 1, int(share * len(known)))] if known else None

    def samples(self) -> Iterator[Sample]:
        for (name, labels), value in list(self._values.items()):
            yield name, labels, value
        for (topic, partition), lag in self._lag.items():
            yield "slipstream_stream_lag", (self._owner, topic, str(partition)), lag
        for share in (0.5, 0.99):
            if (seconds := self.quantile(share)) is not None:
                yield "slipstream_stream_latency_seconds", (self._owner, str(share)), seconds

    def page(self) -> str:
        return "\n".join((*lines(FAMILIES, self.samples()), ""))

    def beat(self) -> None:
        self.set("alive_seconds", now().timestamp())


def serve(metrics: StreamMetrics, host: str, port: int) -> ThreadingHTTPServer:
    """The page, in a thread of its own, until `shutdown`. Raises OSError where the port is taken."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics.page().encode() if self.path == "/metrics" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked has gone
                self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            del given

    server = ThreadingHTTPServer((host, port), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
