"""What a stream says of itself, as Prometheus reads it."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from include.streaming.telemetry import StreamMetrics, serve


def test_counts_lag_and_latency_are_on_the_page() -> None:
    metrics = StreamMetrics("cards")
    metrics.add("events_total", by=3)
    metrics.add("rows_total", "card", 2)
    metrics.add("rows_total", "hours", 5)
    metrics.set("watermark_seconds", 7)
    metrics.lag({("payments", 1): 4})
    assert metrics.quantile(0.99) is None
    for number in range(100):
        metrics.took(number / 100)
    page = metrics.page()
    assert 'slipstream_stream_rows_total{owner="cards",view="card"} 2' in page
    assert 'slipstream_stream_lag{owner="cards",topic="payments",partition="1"} 4' in page
    assert 'slipstream_stream_latency_seconds{owner="cards",quantile="0.99"} 0.99' in page
    assert (metrics.total("rows"), metrics.value("events_total")) == (7, 3)


@pytest.mark.lives
def test_the_page_is_served_and_nothing_else() -> None:
    metrics = StreamMetrics("cards")
    metrics.beat()
    server = serve(metrics, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with urllib.request.urlopen(f"{url}/metrics") as page:
        assert b"slipstream_stream_alive_seconds" in page.read()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/else")
    server.shutdown()
    server.server_close()
