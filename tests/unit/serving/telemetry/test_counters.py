from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from include.serving.telemetry import counters as module
from include.serving.telemetry.counters import ARENA, Metrics
from include.serving.telemetry.metrics_page import metrics_page
from include.serving.telemetry.shared_memory import SharedMemory


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_of_all_processes_add_up() -> None:
    memory = SharedMemory(2 * ARENA)
    first, second = Metrics(memory, 0), Metrics(memory, 1)
    first.predicted("toy", 1, "champion", 90.0)
    second.predicted("toy", 1, "champion", 2e6)
    second.predicted("toy", None, "champion", 300.0)
    second.degraded.add("toy", 'a "reason"\n')
    seen = samples(metrics_page(first.series(), {"toy": 4}))
    assert seen[("slipstream_requests_total", ("toy", "1", "champion"))] == 2
    assert seen[("slipstream_requests_total", ("toy", "default", "champion"))] == 1
    assert seen[("slipstream_latency_seconds_bucket", ("toy", "1", "champion", "0.0001"))] == 1
    assert seen[("slipstream_latency_seconds_bucket", ("toy", "1", "champion", "+Inf"))] == 2
    assert seen[("slipstream_degraded_total", ("toy", 'a "reason"\n'))] == 1
    assert seen[("slipstream_route_generation", ("toy",))] == 4
    assert seen == samples(metrics_page(second.series(), {"toy": 4}))


def test_a_process_in_a_dead_ones_place_counts_on() -> None:
    memory = SharedMemory(ARENA)
    Metrics(memory, 0).predicted("toy", 1, "champion", 90.0)
    heir = Metrics(memory, 0)
    heir.predicted("toy", 2, "challenger", 90.0)
    heir.predicted("toy", 1, "champion", 90.0)
    seen = samples(metrics_page(heir.series(), {}))
    assert seen[("slipstream_requests_total", ("toy", "1", "champion"))] == 2
    assert seen[("slipstream_requests_total", ("toy", "2", "challenger"))] == 1


def test_a_full_arena_drops_new_series_and_keeps_the_old() -> None:
    metrics = Metrics()
    metrics.predicted("toy", 1, "champion", 90.0)
    for number in range(module.VALUES // (module.BUCKETS + 2) + 10):
        metrics.predicted(f"model-{number}", 1, "champion", 90.0)
    metrics.predicted("toy", 1, "champion", 90.0)
    assert samples(metrics_page(metrics.series(), {}))[("slipstream_requests_total", ("toy", "1", "champion"))] == 2
