"""The page that Prometheus scrapes: promises as counters, and what is read elsewhere."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from include.core.spec import ModelSpec, Objectives
from include.prediction_log.layout import segments
from include.prediction_log.record import Record
from include.prediction_log.shipping_state import Backlog, ShippingState
from include.prediction_log.writer import PredictionLog
from include.serving.telemetry import health as module
from include.serving.telemetry.counters import Metrics
from include.serving.telemetry.exposition import Sample
from include.serving.telemetry.health import Health, log_source
from include.serving.telemetry.metrics_page import metrics_page, names
from tests.support.rotated_log import rotate
from tests.unit.operators.models.shop.spec import SPEC


def values(text: str, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(text)
    return {tuple(s.labels.values()): s.value for family in families for s in family.samples if s.name == name}


def test_a_promise_counts_what_it_is_about_and_what_broke_it() -> None:
    metrics = Metrics()
    for latency_us in (900.0, 9_999.0, 10_001.0, 24_000.0, 26_000.0, 2e6):
        metrics.predicted("toy", 1, "champion", latency_us)
    metrics.predicted("toy", None, "challenger", 400.0)
    metrics.predicted("other", 1, "champion", 2e6)
    metrics.errors.add("toy", "challenger", by=2)
    promised = [("toy", Objectives(errors=0.01, latency=timedelta(milliseconds=11), slow=0.2))]
    text = metrics_page(metrics.series(), {}, promised)
    assert values(text, "slipstream_slo_events_total") == {("toy", "errors"): 7, ("toy", "latency"): 7}
    assert values(text, "slipstream_slo_bad_total") == {("toy", "errors"): 2, ("toy", "latency"): 2}  # over 25 ms, the next bound
    assert values(text, "slipstream_slo_budget") == {("toy", "errors"): 0.01, ("toy", "latency"): 0.2}


def test_a_latency_beyond_the_last_bound_counts_against_the_longest_promise() -> None:
    metrics = Metrics()
    metrics.predicted("toy", 1, "champion", 1.5e6)
    metrics.predicted("toy", 1, "champion", 0.9e6)
    text = metrics_page(metrics.series(), {}, [("toy", Objectives(latency=timedelta(seconds=1)))])
    assert values(text, "slipstream_slo_bad_total")[("toy", "latency")] == 1


def test_every_metric_is_reported_of_even_without_a_sample() -> None:
    told = {line.split()[2] for line in metrics_page(Metrics().series(), {}).splitlines() if line.startswith("# TYPE")}
    assert {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in names()} == told


def test_a_source_that_is_down_is_reported_and_takes_nothing_else_with_it() -> None:
    def away(spec: ModelSpec) -> list[Sample]:
        raise ConnectionError(spec.name)

    def there(spec: ModelSpec) -> list[Sample]:
        return [("slipstream_skew_share", (spec.name, "price"), 0.25)]

    samples = Health({"features": away, "skew": there}).read([SPEC])
    text = metrics_page(Metrics().series(), {}, (), samples)
    assert values(text, "slipstream_health_up") == {("features",): 0, ("skew",): 1}
    assert values(text, "slipstream_skew_share") == {("shop", "price"): 0.25}


def test_a_scrape_gets_what_was_read_last_while_a_store_hangs(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
    slow = [False]
    calls = []

    def source(spec: ModelSpec) -> list[Sample]:
        calls.append(spec.name)
        if slow[0]:
            time.sleep(0.3)
        return [("slipstream_skew_share", (spec.name, "price"), float(len(calls)))]

    async def scrapes() -> list[list[Sample]]:
        health = Health({"skew": source})
        first = await health.samples([SPEC])
        slow[0] = True
        return [first, await health.samples([SPEC]), await health.samples([SPEC])]

    first, second, third = asyncio.run(scrapes())
    assert first == second == third
    assert len(calls) == 2  # the one that hangs is not asked a second time


def test_the_log_says_how_long_its_oldest_segment_waits(tmp_path: Path) -> None:
    log, source = PredictionLog(tmp_path, "shop"), log_source(tmp_path, {})
    assert list(source(SPEC)) == []
    log.write([Record("prediction", "a", "2026-01-01T00:00:00.000000+00:00")])
    log.close()
    (segment,) = segments(tmp_path, "shop")
    os.utime(segment, (time.time() - 86_400,) * 2)
    ((name, labels, age),) = source(SPEC)
    assert (name, labels, round(age / 86_400, 2)) == ("slipstream_log_waiting_seconds", ("shop",), 1.0)
    rotate(tmp_path, "shop", 0)
    assert list(source(SPEC)) == []


def test_the_log_says_what_is_on_this_disk_alone_and_what_was_given_up(tmp_path: Path) -> None:
    state = ShippingState(tmp_path)
    state.shipped("shop", 1000)
    state.dropped("shop", 500, 3)
    state.write({"shop": Backlog().and_also(70, time.time() - 60), "other": Backlog()}, {})
    found = {name: value for name, _, value in log_source(tmp_path, {"SLIPSTREAM_LOG_BACKLOG_MEGABYTES": "2"})(SPEC)}
    assert 60 <= found.pop("slipstream_log_unshipped_seconds") < 120
    assert found == {
        "slipstream_log_unshipped_bytes": 70, "slipstream_log_shipped_bytes_total": 1000, "slipstream_log_dropped_lines_total": 3,
        "slipstream_log_backlog_limit_bytes": 2 << 20,
    }  # fmt: skip
    nothing = SPEC.model_copy(update={"name": "other"})
    assert ("slipstream_log_unshipped_seconds", ("other",), 0.0) in list(log_source(tmp_path, {})(nothing))
