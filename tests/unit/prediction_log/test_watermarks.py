"""A gateway whose log is not in the root is named to who judges a window."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.core.machine import gateway_id
from include.core.time import now, utc_now
from include.prediction_log import shipping
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import LogShipper
from include.prediction_log.watermarks import behind, mark_shipped
from include.prediction_log.writer import PredictionLog
from tests.support.shipped_log import AT_ONCE, record

HOUR = timedelta(hours=1)


def test_one_that_was_asked_to_end_is_not_behind_and_one_that_is_lost_is(log: SharedLog) -> None:
    before = utc_now()
    PredictionLog(log.home, "toy").write([record(0)])
    shipper = LogShipper(log, AT_ONCE)
    shipper.run()
    later = utc_now()
    (found,) = behind(log, later - HOUR, later + HOUR)
    assert found.gateway == gateway_id(log.home)
    assert before <= found.until <= later
    assert found.gateway in found.words
    assert behind(log, later - HOUR, before) == []  # everything of that window is there
    assert behind(log, later + 2 * HOUR, later + 3 * HOUR) == []  # it is gone for long
    shipper.end()
    assert behind(log, later - HOUR, later + HOUR) == []


def test_one_that_cannot_ship_does_not_say_that_it_has(log: SharedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MARK_SECONDS", 0.0)
    shipper = LogShipper(log, AT_ONCE)
    writer = PredictionLog(log.home, "toy")
    writer.write([record(0)])
    shipper.run()
    said = behind(log, datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - UTC, without zone
    writer.write([record(1)])

    def away(path: str, data: bytes) -> bool:
        raise ConnectionError(path)

    monkeypatch.setattr(log.storage, "create", away)
    with pytest.raises(ConnectionError):
        shipper.run()
    assert behind(log, datetime(2000, 1, 1), datetime(2100, 1, 1)) == said  # noqa: DTZ001 - UTC, without zone


def test_lines_that_wait_for_their_time_are_not_said_to_be_there(log: SharedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MARK_SECONDS", 0.0)
    patient = LogShipper(log, shipping.Limits(seconds=1000))
    PredictionLog(log.home, "toy").write([record(0)])
    written = utc_now()
    for _ in range(3):
        patient.run()
        (found,) = behind(log, written - HOUR, written + HOUR)
        assert found.until <= written


def test_gateways_are_told_apart(log: SharedLog, tmp_path: Path) -> None:
    mark_shipped(log, now(), ended=False)
    mark_shipped(SharedLog(tmp_path / "other", log.storage), now(), ended=True)
    found = behind(log, utc_now() - HOUR, utc_now() + HOUR)
    assert [each.gateway for each in found] == [gateway_id(log.home)]
