"""Reports as Sentry's own SDK sends them, where it is installed; it is optional, and the lock has none."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from include.backends.sentry.reports import report, start
from include.core.errors import DataError

sentry_sdk = pytest.importorskip("sentry_sdk", reason="sentry-sdk is not installed")
DSN = "https://dsnkey@errors.example/1"
ROW = "-".join(("hidden", "row"))  # the lines of the source leave with a stack


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The events of this process, kept instead of sent."""
    kept: list[dict[str, Any]] = []

    class Kept(sentry_sdk.transport.Transport):  # type: ignore[misc,name-defined]
        def capture_envelope(self, envelope: Any) -> None:
            kept.extend(json.loads(item.get_bytes()) for item in envelope.items if item.type == "event")

    monkeypatch.setenv("SENTRY_DSN", DSN)
    start("gateway", transport=Kept)
    yield kept
    sentry_sdk.init()


def test_an_error_that_is_logged_is_reported_without_its_data(sent: list[dict[str, Any]]) -> None:
    try:
        raise DataError("No rows.", seen=ROW)
    except DataError:
        logging.getLogger("shop").exception("of %s", ROW)
    (event,) = sent
    assert event["exception"]["values"][0]["value"] == "No rows."
    assert event["tags"]["slipstream.program"] == "gateway"
    assert ROW not in json.dumps(event)
    assert "dsnkey" not in json.dumps(event)


def test_a_fault_that_was_caught_is_reported_when_asked(sent: list[dict[str, Any]]) -> None:
    report(ValueError(ROW))
    (event,) = sent
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert ROW not in json.dumps(event)


def test_what_others_report_is_scrubbed_once(sent: list[dict[str, Any]]) -> None:
    from sentry_sdk.scope import global_event_processors

    from include.backends.sentry.scrub import Scrubber, scrub_all

    sentry_sdk.init(dsn=DSN, transport=sentry_sdk.get_client().options["transport"])  # as Airflow starts it
    scrub_all()
    scrub_all()
    try:
        sentry_sdk.capture_exception(ValueError(ROW))
        assert ROW not in json.dumps(sent[-1])
        assert sum(isinstance(each, Scrubber) for each in global_event_processors) == 1
    finally:
        global_event_processors[:] = [each for each in global_event_processors if not isinstance(each, Scrubber)]
