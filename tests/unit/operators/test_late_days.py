"""A day of the look-back lands late, or once more: told when it is made, made again by the watcher, listed by the command."""

from __future__ import annotations

from typing import Any

import pytest

from include.cli.main import main
from include.data.published import published
from include.point_in_time.partition import results
from operators import watchers
from operators.pending_events import landed_days
from operators.watchers import LandingTrigger
from tests.support.operator_runs import MODEL, Life, Run, day, fired
from tests.unit.operators.models.shop.spec import SPEC

pytestmark = pytest.mark.thorough  # whole days through every step

WINDOW = "SELECT customer, TIMESTAMP '{day} 23:00:00' AS event_timestamp, avg(price) AS mean_price, count(*)::DOUBLE AS bought "


@pytest.fixture
def shop(life: Life, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Its view counts each customer's orders of three days; 200 a day."""
    views = lambda day: {"customer": f"{WINDOW.format(day=day)} FROM orders GROUP BY ALL"}  # noqa: E731
    monkeypatch.setattr("tests.unit.operators.models.shop.features.views", views)
    return life


def bought(life: Life, number: int) -> tuple[float, Any]:
    ref = published(life.services.control, MODEL, day(number), day(number))[day(number)]
    (result,) = results(life.services.ledger, {"": ref}).values()
    return sum(life.table(result, "customer.parquet")["bought"].to_pylist()), result.value


def waiting(life: Life) -> list[str]:
    return [event["day"] for event in landed_days(life.services, SPEC)]


def catch_up(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["features", "catch-up", MODEL, "--dry-run"]) == 0
    return capsys.readouterr().out


@pytest.fixture
def late(shop: Life) -> Life:
    """Days 1, 3 and 5 are published; then day 2 lands and is published; day 4 never does."""
    for number in (1, 3, 5):
        shop.land(day(number))
        shop.publish(day(number))
    shop.land(day(2))
    return shop


def test_a_day_says_what_it_lacked_and_what_it_read(late: Life) -> None:
    orders, value = bought(late, 3)
    assert orders == 400
    assert value["lacked"] == {"orders": ["2013-01-02"], "returns": ["2013-01-02"]}
    assert sorted(value["read"]["orders"]) == ["2013-01-01", "2013-01-03"]
    assert value["read"]["orders"]["2013-01-03"] == late.raw.digest("orders", day(3))
    assert bought(late, 1)[1]["lacked"] == {}
    run = Run({"as_of": "2013-01-06"})
    late.snapshot(run)
    assert sorted(late.result(run.xcom["build_training_set"]).value["lacked"]) == ["2013-01-03", "2013-01-05"]


def test_the_run_of_the_day_that_lands_late_names_the_days_to_be_made_again(
    late: Life, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    late.publish(day(2))
    told = caplog.text + capsys.readouterr().out
    assert "2013-01-03 is to be made again: orders of 2013-01-02 landed" in told
    assert "2013-01-05 is to be made again" not in told, "it looks back on the 3rd and the 4th"


def test_the_watcher_has_each_late_day_made_again_and_then_no_more(late: Life) -> None:
    assert waiting(late) == ["2013-01-02", "2013-01-03"]
    late.publish(day(2))
    event = fired(LandingTrigger(MODEL, "day", look_seconds=0.01))
    assert event["day"] == "2013-01-03"
    late.publish(day(3), Run(run_type="asset_triggered", event={"from_trigger": True, "payload": event}))
    assert bought(late, 3)[0] == 600
    assert waiting(late) == []


def test_an_event_about_other_partitions_has_another_key(late: Life) -> None:
    late.publish(day(2))
    first = landed_days(late.services, SPEC)
    late.land(day(1), {"price": [1.0] * 200})
    second = landed_days(late.services, SPEC)
    keys = {event["key"] for event in first if event["day"] == "2013-01-03"}
    assert keys.isdisjoint(event["key"] for event in second)
    assert [event["day"] for event in second] == ["2013-01-01", "2013-01-02", "2013-01-03"]


def test_a_published_result_that_is_gone_hides_no_landed_day(late: Life) -> None:
    ref = published(late.services.control, MODEL, day(3), day(3))[day(3)]
    late.services.storage.delete(ref.uri)
    assert waiting(late) == ["2013-01-02"]


def test_the_watcher_reads_nothing_anew_while_nothing_changes(late: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "_cache", {})
    watchers._check(MODEL, "day")
    reads: list[str] = []
    real = type(late.services.storage).read
    monkeypatch.setattr(type(late.services.storage), "read", lambda self, path: reads.append(path) or real(self, path))
    assert [event["day"] for event in watchers._check(MODEL, "day")] == ["2013-01-02", "2013-01-03"]
    assert reads == []


def test_the_command_lists_the_days_what_makes_them_again_and_nothing_when_it_is_done(
    late: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    said = catch_up(capsys)
    assert "2013-01-03  orders of 2013-01-02 landed" in said
    assert "have landed and are not published: 2013-01-02" in said
    assert "--from-date 2013-01-02 --to-date 2013-01-03 --reprocess-behavior completed" in said
    for number in (2, 3):
        late.publish(day(number))
    said = catch_up(capsys)
    assert "backfill" not in said
    late.land(day(1), {"price": [1.0] * 200})
    assert "--from-date 2013-01-01 --to-date 2013-01-03 --reprocess-behavior completed" in catch_up(capsys)


def test_the_command_names_the_versions_that_were_trained_on_such_days(
    registered: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Versions" not in catch_up(capsys)
    registered.land(day(1), {"price": [1.0] * 200})
    said = catch_up(capsys)
    assert "Versions that were trained on such days" in said
    row = next(line for line in said.splitlines() if line.split()[:2] == ["shop", "1"])
    assert row.split()[-2:] == ["2013-01-01", "2013-01-03"]
    for number in (1, 2, 3):
        registered.publish(day(number))
    said = catch_up(capsys)
    assert "backfill" not in said
    assert "Versions that were trained on such days" in said, "the version keeps what it was made from"
