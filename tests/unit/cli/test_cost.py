from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.core.control import ControlStore, decisions
from include.core.time import now, timestamp
from include.costs.kept import keep
from include.costs.prices import Prices
from include.costs.spent import Spent
from include.costs.version import VersionCost
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from tests.support.toy_ledger import MODEL
from tests.unit.cli.conftest import Slipstream

PRICES = Prices("EUR", cpu_hour=0.36, storage_gb_month=0.1)
FIT = Spent("train", 2, 60.0, 1.0, 0.0, 0.0)
KILLED = Spent("train", 1, 30.0, None, 0.0, 0.0, at_most=True, reason="killed: out of memory")
COST = VersionCost((KILLED, FIT), 0.5, 2.0, PRICES)


def test_a_version_that_nobody_counted_is_counted_now_and_unknown_where_it_is(slipstream: Slipstream) -> None:
    status, out, _ = slipstream("cost", MODEL)
    assert status == 0
    assert "no prices are known (SLIPSTREAM_COST_CPU_HOUR" in out
    assert out.count("unknown") >= 6  # two versions: training, predictions, storage
    assert "Nothing was served in the last 7 days." in out


def test_what_was_kept_is_told_by_the_prices_of_its_day(
    slipstream: Slipstream, control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(control, MODEL, 2, COST)
    monkeypatch.setenv("SLIPSTREAM_COST_CPU_HOUR", "3.6")
    monkeypatch.setenv("SLIPSTREAM_COST_CURRENCY", "EUR")
    _, out, _ = slipstream("cost", MODEL, "--version", "2")
    assert "at least 0.360 EUR (1 attempt unknown)" in out
    assert "0.0000500 EUR" in out
    assert "at most 30.0 s" in out
    assert "killed: out of memory" in out
    assert "CPU hours together: 1.0000, of 1 attempts unknown" in out
    _, out, _ = slipstream("cost", MODEL, "--version", "2", "--today")
    assert "at least 3.60 EUR (1 attempt unknown)" in out
    _, out, _ = slipstream("cost", MODEL, "--json")
    told = json.loads(out)
    newest = told["versions"][0]
    assert (newest["version"], newest["training"]["money"], newest["training"]["unpriced"]) == (2, 0.36, 1)
    assert newest["training"]["attempts"][0]["cpu_hours"] is None
    assert told["prices"]["cpu_hour"] == 3.6
    _, out, _ = slipstream("status", MODEL)
    assert "training at least 0.360 EUR (1 attempt unknown), 1,000 predictions 0.0000500 EUR" in out


def test_a_version_that_is_not_there_is_refused(slipstream: Slipstream) -> None:
    status, _, err = slipstream("cost", MODEL, "--version", "9")
    assert status != 0
    assert "There is no version 9 of toy" in err


def test_a_setting_that_is_no_price_is_named(slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_COST_GPU_HOUR", "two")
    status, _, err = slipstream("cost", MODEL)
    assert status != 0
    assert "SLIPSTREAM_COST_GPU_HOUR is no price" in err


def test_answers_are_counted_from_the_log(slipstream: Slipstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_COST_CPU_HOUR", "0.36")
    at = now().strftime("%Y-%m-%dT%H:%M:%S.%f")
    log = PredictionLog(tmp_path, MODEL)
    kinds = ("prediction", "prediction", "shadow")
    log.write([Record(kind, str(n), at, at, version=2, score=0.5, latency_us=2000.0) for n, kind in enumerate(kinds)])
    log.close()
    _, out, _ = slipstream("cost", MODEL, "--json")
    (served,) = json.loads(out)["served"]
    assert (served["version"], served["predictions"], served["thousand"]["seconds"]) == (2, 2, 2.0)
    assert served["thousand"]["money_at_most"] == pytest.approx(0.0002)


def test_decisions_tell_the_price_and_what_age_costs(slipstream: Slipstream, control: ControlStore) -> None:
    evidence = {"money": {"price": 0.125, "currency": "EUR"}, "stale_window": 12.5}
    unknown = {"money": {"price": None, "why": "the window had no requests"}}
    with control.transaction() as connection:
        for day, kept in (("2013-05-06", evidence), ("2013-05-13", unknown)):
            row = {"key": f"{MODEL}:{day}", "model": MODEL, "as_of": f"{day}T00:00:00", "action": "hold", "reasons": []}
            details = {"blocked_by": [], "words": "", "evidence": kept}
            connection.execute(decisions.insert().values(**row, evidence=details, at=timestamp()))
    _, out, _ = slipstream("cost", MODEL)
    assert "0.125 of a window's loss" in out
    assert "12.50 " in out
    assert "the window had no requests" in out
