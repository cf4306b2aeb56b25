from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from include.core.ledger import Ledger
from include.core.settings import Settings
from include.monitoring.profile.profile_file import read_profiles
from tests.support.monitor_runs import Monitor, week
from tests.support.synthetic_predictions import (
    put,
)


@pytest.fixture
def monitor(ledger: Ledger, settings: Settings, scratch: Path) -> Monitor:
    return Monitor(ledger, settings, scratch)


def test_an_ordinary_week_is_judged_whole_calm_and_as_good_as_before(monitor: Monitor) -> None:
    value = monitor(week()).value
    assert value["quality"]["passed"]
    assert value["drift"]["verdict"] == "none"
    assert value["performance"]["verdict"] == "measured"
    assert abs(value["performance"]["drop"]) < 3 * value["performance"]["drop_error"]
    assert value["champion"] == {"version": 1, "data_until": "2013-04-02T00:00:00", "rows": 6300}
    assert value["words"][0] == "The data are whole."


def test_an_evaluation_at_another_threshold_is_no_drop(monitor: Monitor) -> None:
    """One of the version before was taken at .5, whatever served: its accuracy is not subtracted from one at .3."""
    older = {"metric": "accuracy", "threshold": 0.3, "holdout_metrics": {"accuracy": 0.99}, "holdout_threshold": 0.5}
    alone = monitor(week(), older).value["performance"]
    assert (alone["verdict"], alone["expected"], alone["drop"]) == ("measured", None, None)
    assert "not compared with the holdout" in alone["words"]
    kept = monitor(week(), older, reference=monitor.reference()).value
    assert kept["threshold"] == 0.3
    assert abs(kept["performance"]["drop"]) < 3 * kept["performance"]["drop_error"]  # of the rows that were kept


def test_the_report_tells_the_verdict_first_and_opens_offline(monitor: Monitor) -> None:
    result = monitor(put(week(), "temp", [90.0 + i % 17 for i in range(1050)]))
    page = monitor.read(result, "report.html")
    assert page.index("temp mean is") < page.index(
        "Evidently&#x27;s own view" if "Evidently&#x27;s" in page else "Evidently's own view"
    )
    assert "2013-04-02 to 2013-04-09" in page
    assert "<svg" in page
    assert "<script" not in page
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']https?://", page)
    assert result.value["drift"]["verdict"] == "drift"


@pytest.mark.thorough
def test_equal_windows_give_equal_bytes(monitor: Monitor) -> None:
    first = monitor(week())
    second = monitor(week(), {"nonce": 1})
    assert first.key != second.key
    assert {n: f.digest for n, f in first.files.items()} == {n: f.digest for n, f in second.files.items()}


def test_the_window_is_kept_as_daily_profiles_of_everyone_and_of_each_slice(monitor: Monitor) -> None:
    stored = read_profiles(monitor.path(monitor(week()), "profile.parquet"), segment=None)
    assert [axis.name for axis in stored.axes] == ["temp", "precip", "hour", "carrier_code"]
    days = [day for day, segment in stored.parts if segment == ""]
    assert days == [f"2013-04-0{n}" for n in range(2, 9)]
    assert sum(stored.parts[day, ""]["temp"].count for day in days) == 1050
    assert sum(rows["temp"].count for (_, segment), rows in stored.parts.items() if segment) == 1050


@pytest.mark.parametrize("size", [0, 8])
def test_a_window_of_almost_nothing_abstains(monitor: Monitor, size: int) -> None:
    result = monitor(week().slice(0, size))
    assert result.value["drift"]["verdict"] == "abstain"
    assert result.value["performance"]["verdict"] == "abstain"
    assert result.value["quality"]["passed"] == (size > 0)
    assert "not judged" in monitor.read(result, "report.html")


def test_a_column_that_disappeared_is_a_matter_of_quality(monitor: Monitor) -> None:
    gone = put(week(), "temp", pa.nulls(1050, pa.float64()))
    result = monitor(gone, absent_columns=["temp"])
    assert not result.value["quality"]["passed"]
    assert result.value["drift"]["verdict"] == "none"
    assert "temp" in result.value["drift"]["not_judged"]


def test_an_input_that_the_log_never_holds_is_no_broken_feed(monitor: Monitor) -> None:
    hidden = put(week(), "temp", pa.nulls(1050, pa.float64()))
    value = monitor(hidden, redacted=["temp"]).value
    assert value["quality"]["passed"]
    assert value["drift"]["not_judged"]["temp"] == "serving.redact keeps it out of the log"
    assert value["drift"]["verdict"] == "none"


def test_no_labels_no_champion_no_metrics_still_report(monitor: Monitor) -> None:
    unlabelled = put(week(), "label", pa.nulls(1050, pa.float64()))
    result = monitor(unlabelled, {"champion": None, "holdout_metrics": {}}, labelled=0)
    assert result.value["champion"] is None
    assert result.value["performance"]["words"] == "0 labels of the champion's own answers have landed; 200 are needed."


def test_before_labels_the_estimate_stands_on_the_holdout_and_says_what_it_lacks(monitor: Monitor) -> None:
    open_ = put(put(week(), "label", pa.nulls(1050, pa.float64())), "label_timestamp", pa.nulls(1050, pa.timestamp("us")))
    value = monitor(open_, labelled=0).value
    assert value["landing"] == {"rows": 1050, "landed": 0, "coming": 0.0, "share": 0.0, "enough": False, "enough_by": ""}
    assert value["estimate"]["words"] == "No AUC before labels: The champion's holdout was not kept."
    assert value["words"][-1] == value["estimate"]["words"]  # nothing else speaks for the window


def test_a_reference_with_its_holdout_gives_an_estimate_from_the_record(monitor: Monitor) -> None:
    reference = monitor.reference()
    open_ = put(put(week(), "label", pa.nulls(1050, pa.float64())), "label_timestamp", pa.nulls(1050, pa.timestamp("us")))
    estimate = monitor(open_, reference=reference, labelled=0).value["estimate"]
    assert (estimate["verdict"], estimate["landed"]) == ("estimated", 4)
    assert estimate["value"] == pytest.approx(estimate["raw"]["base"], abs=0.05)
    history = [
        {"window": f"2013-03-{n:02d}/2013-03-{n + 1:02d}", "estimate": 0.8, "base": 0.8, "realised": 0.55, "noise": 0.01}
        for n in (29,)
    ]
    moved = monitor(open_, {"history": history}, reference=reference, labelled=0).value["estimate"]
    assert moved["verdict"] == "abstain"
    assert "has just moved" in moved["words"] or "only labels tell" in moved["words"]
