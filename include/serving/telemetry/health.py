"""What the metrics page says beside the gateway's own counts: features, skew, verdicts, the log. Read elsewhere, kept a while.

A scrape never waits long: it gets what was read last, while a thread reads anew. What cannot be read has no line, and
`slipstream_health_up` says so: an alert on a missing line would never fire.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from include.core.errors import one_line
from include.core.spec import ModelSpec
from include.prediction_log.layout import segments
from include.prediction_log.shipping import Limits
from include.prediction_log.shipping_state import Shipping, read_shipping
from include.serving.telemetry.exposition import Family, Sample

log = logging.getLogger(__name__)
KEPT_SECONDS, WAIT_SECONDS = 15.0, 2.0
Source = Callable[[ModelSpec], Iterable[Sample]]

MODEL, OF_VERSION = ("model",), ("model", "version", "currency")
UP = Family("slipstream_health_up", "Whether a source of the lines below could be read.", "gauge", ("source",))
LOG_AGE = Family("slipstream_log_waiting_seconds", "Time since the oldest segment on the disk was written to.", "gauge", MODEL)
LOG_UNSHIPPED = Family("slipstream_log_unshipped_bytes", "Bytes of the log that are on this disk alone.", "gauge", MODEL)
LOG_UNSHIPPED_AGE = Family("slipstream_log_unshipped_seconds", "How long the oldest of them have waited.", "gauge", MODEL)
LOG_LIMIT = Family("slipstream_log_backlog_limit_bytes", "Bytes of all models that may wait.", "gauge", ())
LOG_SHIPPED = Family("slipstream_log_shipped_bytes_total", "Bytes of the log shipped to the storage root.", "counter", MODEL)
LOG_DROPPED = Family("slipstream_log_dropped_lines_total", "Lines given up, for more waited than may.", "counter", MODEL)
AGENT_AGE = Family("slipstream_agent_silent_seconds", "Time since the agent of the gateway last reported.", "gauge", ())
AGENT_DONE = Family("slipstream_agent_done_total", "Times that a duty of the agent was done.", "counter", ("duty",))
AGENT_FAILED = Family("slipstream_agent_failures_total", "Times that a duty of the agent failed.", "counter", ("duty",))
EMPTY = Family("slipstream_view_empty", "1 where a published view has no row online, 0 where it has.", "gauge", ("model", "view"))
HEALTH = (
    UP,
    Family("slipstream_feature_age_seconds", "Age of the newest value online.", "gauge", ("model", "view")),
    Family("slipstream_feature_freshness_seconds", "How old it may be, by the view's definition.", "gauge", ("model", "view")),
    Family("slipstream_skew_share", "Share of served values that training computes differently.", "gauge", ("model", "feature")),
    Family("slipstream_skew_limit", "The share from which on that is an error.", "gauge", MODEL),
    Family("slipstream_alarm", "1 where the newest window's verdict is an alarm, 0 where not.", "gauge", ("model", "kind")),
    Family("slipstream_labelled_share", "Share of the newest window's requests whose label has landed.", "gauge", MODEL),
    Family("slipstream_monitored_seconds", "When the newest verdict was recorded, Unix time.", "gauge", MODEL),
    Family("slipstream_monitored_window_seconds", "Length of a monitoring window.", "gauge", MODEL),
    Family("slipstream_retrains", "Retrainings decided in the last 30 days of wall clock.", "gauge", MODEL),
    Family("slipstream_retrain_budget", "How many the policy allows in 30 days.", "gauge", MODEL),
    Family("slipstream_cost_cpu_hour", "The price of a CPU hour.", "gauge", ("model", "currency")),
    Family("slipstream_cost_training", "Money that the version in production has cost.", "gauge", OF_VERSION),
    Family("slipstream_cost_thousand_predictions", "Money of a thousand, as its evaluation timed them.", "gauge", OF_VERSION),
    Family("slipstream_cost_stale_window", "Money that a window of it costs beyond a fresh one.", "gauge", ("model", "currency")),
    LOG_AGE,
    LOG_UNSHIPPED,
    LOG_UNSHIPPED_AGE,
    LOG_LIMIT,
    LOG_SHIPPED,
    LOG_DROPPED,
    AGENT_AGE,
    AGENT_DONE,
    AGENT_FAILED,
)


class Health:
    """Samples by source. For one event loop; the sources are called in a thread, never two readings at once."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._known: list[Sample] = []
        self._until = 0.0
        self._reading: asyncio.Future[list[Sample]] | None = None

    async def samples(self, specs: Sequence[ModelSpec]) -> list[Sample]:
        if self._reading is None and time.monotonic() >= self._until:
            self._reading = asyncio.ensure_future(asyncio.to_thread(self.read, specs))
            self._reading.add_done_callback(self._keep)
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=WAIT_SECONDS)
        return self._known

    def _keep(self, reading: asyncio.Future[list[Sample]]) -> None:
        self._reading, self._until = None, time.monotonic() + KEPT_SECONDS
        if not reading.cancelled():
            self._known = reading.result()

    def read(self, specs: Sequence[ModelSpec]) -> list[Sample]:
        """All sources, once."""
        found: list[Sample] = []
        for name, source in self._sources.items():
            try:
                found += [sample for spec in specs for sample in source(spec)]
                up = 1.0
            except Exception as error:  # noqa: BLE001 - a store of any vendor that does not answer, in whatever way, becomes a metric
                log.warning("the metrics page lacks %s: %s", name, one_line(error))
                up = 0.0
            found.append((UP.name, (name,), up))
        return found


def log_source(home: Path, environ: Mapping[str, str]) -> Source:
    """How long the oldest segment has been on the disk, and what the shipper says of those that are on it alone."""
    limit = Limits.from_env(environ).backlog

    def source(spec: ModelSpec) -> Iterable[Sample]:
        written = []
        for segment in segments(home, spec.name):
            try:
                written.append(segment.stat().st_mtime)
            except FileNotFoundError:  # it left the disk since it was listed
                continue
        if written:
            yield LOG_AGE.name, (spec.name,), max(0.0, time.time() - min(written))
        shipping = read_shipping(home).get(spec.name)
        if shipping is not None:
            yield from _shipping(spec.name, shipping)
            yield LOG_LIMIT.name, (), float(limit)

    return source


def _shipping(model: str, shipping: Shipping) -> Iterable[Sample]:
    since = shipping.backlog.since
    yield LOG_UNSHIPPED.name, (model,), float(shipping.backlog.bytes)
    yield LOG_UNSHIPPED_AGE.name, (model,), max(0.0, time.time() - since) if since else 0.0
    yield LOG_SHIPPED.name, (model,), float(shipping.counts.shipped_bytes)
    yield LOG_DROPPED.name, (model,), float(shipping.counts.dropped_lines)
