"""The skew check finds a path that computes differently, and takes neither late nor stale values for one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError, NotReadyError
from include.core.request import Ref, Request
from include.core.spec import Features
from include.core.task import perform
from include.features.online.stream import stream_rows
from include.features.skew.comparison import Finding, compare
from include.features.skew_step import check, first_reach, read_sample, served_table, snapshot
from include.online_store.open import open_online
from include.prediction_log.record import Record
from include.prediction_log.shared import log_of
from include.prediction_log.writer import PredictionLog
from tests.support.shop import SPEC, Shop, orders_of

DAY = date(2013, 1, 4)
START, END = datetime.fromisoformat("2013-01-04"), datetime.fromisoformat("2013-01-05")
MODEL = SPEC.model_copy(update={"monitoring": SPEC.monitoring.model_copy(update={"window_days": 1})})
Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def week(taken_in: Shop) -> Shop:
    return taken_in


def serve(shop: Shop, folder: Path, change: Change = dict, *, degraded: tuple[str, ...] = ()) -> None:
    """A day's requests as the gateway answers and logs them, the stream pushing beside; `change` is a defect on that path."""
    store = open_online(f"sqlite:///{folder}/online.db")
    log = PredictionLog(shop.settings.home, SPEC.name)
    moments = list(stream_rows(SPEC, shop.raw, DAY - timedelta(days=2), DAY))
    for order in sorted(orders_of(DAY).to_pylist(), key=lambda order: order["ordered_at"]):
        while moments and moments[0][0] <= order["ordered_at"]:
            time, view, rows = moments.pop(0)
            store.write(SPEC.name, view, rows, time)
        entity = {"customer": order["customer"]} if order["customer"] else {"customer": "nobody"}
        stored = store.read_entity(SPEC.name, SPEC.features.views, entity, order["ordered_at"])
        unknown = {feature.name: None for feature in SPEC.features.views[0].features}
        features = change({**unknown, **stored, "price": order["price"], "shelf": order["grade"]})
        at = order["ordered_at"].isoformat()
        log.write([Record("prediction", order["id"], f"{at}+00:00", at, "", entity, features, score=0.5, degraded=[*degraded])])
    log.close()


def published(shop: Shop) -> dict[date, Ref]:
    days = [first_reach(MODEL, START).date(), date(2013, 1, 3), DAY]
    return {day: shop.ledger.ref(shop.features(day)) for day in dict.fromkeys(days)}


def judged(shop: Shop) -> dict[str, Any]:
    request = snapshot(log_of(shop.settings), MODEL, END, published(shop))
    return dict(perform(request, shop.ledger.open_attempt(request.key, 0), shop.ledger, shop.settings).value)


def by_feature(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["feature"]: row for row in value["features"]}


def test_silent_where_both_paths_compute_the_same(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path)
    value = judged(week)
    assert (value["level"], value["words"]) == ("ok", ["Serving and training see the same values."])
    assert value["requests"] == value["sampled"] == 41
    rows = by_feature(value)
    assert set(rows) == {feature.name for feature in SPEC.features.inputs}
    assert {name: (row["mismatched"], row["stale"]) for name, row in rows.items()} == dict.fromkeys(rows, (0, 0))
    assert all(row["compared"] >= 20 for row in rows.values())
    check("shop", value)


def rounded(features: dict[str, Any]) -> dict[str, Any]:
    mean = features["mean_price"]
    return {**features, "mean_price": None if mean is None else float(round(mean))}


def test_finds_a_changed_rounding_in_one_path_and_names_the_worst(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path, rounded)
    value = judged(week)
    rows = by_feature(value)
    assert value["level"] == "error"
    assert {name for name, row in rows.items() if row["mismatched"]} == {"mean_price"}
    worst = rows["mean_price"]["worst"]
    assert worst["served"] == round(worst["offline"]) != worst["offline"]
    assert f"{worst['served']!r} served and {worst['offline']!r} offline for {worst['request_id']}" in value["words"][0]
    with pytest.raises(DataError, match="Training-serving skew in shop: mean_price"):
        check("shop", value)


def test_finds_a_request_feature_that_is_computed_otherwise(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path, lambda features: {**features, "shelf": (features["shelf"] or "").upper() or None})
    rows = by_feature(judged(week))
    assert {name for name, row in rows.items() if row["mismatched"]} == {"shelf"}
    assert rows["shelf"]["worst"]["served"] == rows["shelf"]["worst"]["offline"].upper()


def test_an_older_row_of_the_entity_is_stale_and_no_skew(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path, lambda features: {**features, "orders": None, "mean_price": None, "grade": None})
    value = judged(week)
    assert value["level"] == "warn"
    row = by_feature(value)["orders"]
    assert (row["mismatched"], row["stale"] > 10) == (0, True)
    assert "look at the view's freshness" in value["words"][0]


def test_degraded_answers_are_counted_and_not_compared(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path, rounded, degraded=("features",))
    value = judged(week)
    assert (value["level"], value["degraded"], value["sampled"]) == ("ok", 41, 0)


def test_what_arrived_after_the_request_is_late_and_no_skew(tmp_path: Path) -> None:
    """The row of 01:00 was corrected at 05:00: requests between could not know, later ones must."""
    view = SPEC.features.views[0].model_copy(update={"created": "arrived"})
    features = Features.model_validate({**SPEC.features.model_dump(), "views": (view,), "request": ()})
    hours = [START + timedelta(hours=hour) for hour in (0, 1, 5)]
    rows = {"customer": ["ann", "ann"], "event_timestamp": hours[:2], "arrived": [hours[0], hours[2]], "orders": [1, 3]}
    pq.write_table(pa.table({**rows, "mean_price": [1.0, 3.0], "grade": ["a", "c"]}), tmp_path / "customer.parquet")

    def asked(name: str, hour: int, orders: int) -> Record:
        values = {"orders": orders, "mean_price": float(orders), "grade": "abc"[orders - 1]}
        return Record("prediction", name, "", (START + timedelta(hours=hour)).isoformat(), "", {"customer": "ann"}, values)

    with duckdb.connect() as connection:
        records = [asked("before the correction", 2, 2), asked("after", 6, 3), asked("after, wrong", 7, 2)]
        connection.register("served", served_table(features, records))
        findings = compare(connection, features, {"customer": [str(tmp_path / "customer.parquet")]})
    orders = next(finding for finding in findings if finding.feature == "orders")
    assert (orders.compared, orders.mismatched, orders.late, orders.worst["request_id"]) == (2, 1, 1, "after, wrong")


def test_values_that_were_never_published_are_not_compared(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path)
    request = snapshot(log_of(week.settings), MODEL, END, {})
    value = perform(request, week.ledger.open_attempt(request.key, 0), week.ledger, week.settings).value
    row = by_feature(dict(value))["orders"]
    assert (value["level"], row["mismatched"]) == ("ok", 0)
    assert row["unpublished"] > 10


def test_a_log_that_lost_records_is_not_judged(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path)
    request = snapshot(log_of(week.settings), MODEL, END, published(week))
    for file in Path(week.settings.home, "predictions", SPEC.name).glob("*.jsonl"):
        file.unlink()
    with pytest.raises(NotReadyError, match="no longer holds"):
        perform(request, week.ledger.open_attempt(request.key, 0), week.ledger, week.settings)


def test_requests_answered_on_other_versions_of_the_views_are_left_out_and_counted(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path)
    whole = snapshot(log_of(week.settings), MODEL, END, published(week))
    log = PredictionLog(week.settings.home, SPEC.name)
    log.write([Record("prediction", "old", whole.params["until"], "2013-01-04T01:00:00", "", {}, {}, version=7, score=0.1)])
    log.close()
    request = snapshot(log_of(week.settings), MODEL, END, published(week), [7])
    value = perform(request, week.ledger.open_attempt(request.key, 0), week.ledger, week.settings).value
    assert (value["other_versions"], value["level"], request.params["log"]) == (1, "ok", whole.params["log"])


def test_records_written_later_do_not_change_the_sample(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path)
    request: Request = snapshot(log_of(week.settings), MODEL, END, {})
    log = PredictionLog(week.settings.home, SPEC.name)
    log.write([Record("prediction", "later", "2013-02-01T00:00:00+00:00", "2013-01-04T01:00:00", "", {}, {}, score=0.1)])
    log.close()
    again = read_sample(log_of(week.settings), SPEC.name, START, END, request.params["until"])
    assert again.digest == request.params["log"] != read_sample(log_of(week.settings), SPEC.name, START, END).digest


def test_redacted_values_are_left_out(week: Shop, tmp_path: Path) -> None:
    serve(week, tmp_path)
    spec = MODEL.model_copy(update={"serving": MODEL.serving.model_copy(update={"redact": ("customer", "price")})})
    request = snapshot(log_of(week.settings), spec, END, published(week))
    value = perform(request, week.ledger.open_attempt(request.key, 0), week.ledger, week.settings).value
    assert (value["skipped"], list(by_feature(dict(value)))) == (["customer"], ["shelf"])


@pytest.mark.parametrize(("mismatched", "stale", "level"), [(0, 0, "ok"), (1, 0, "warn"), (20, 0, "error"), (0, 90, "warn")])
def test_levels_go_by_share(mismatched: int, stale: int, level: str) -> None:
    assert Finding("f", "v", 1000, mismatched, stale).level(0.001, 0.01) == level


def test_the_records_of_the_log_are_those_the_check_reads() -> None:
    assert {"kind", "id", "at", "event_time", "entity", "features", "degraded"} <= {
        f.name for f in msgspec.structs.fields(Record)
    }


def test_keys_of_every_log_are_text_and_no_number_ends_the_check() -> None:
    """Logs of earlier releases hold keys as numbers, of any size; a whole number may be more than a float tells apart."""
    view = SPEC.features.views[0]
    features = Features.model_validate(SPEC.features.model_dump(mode="json"))
    keys = [5, "5", 10**30, 2**64 - 1, "ann", None]
    records = [
        Record(
            "prediction",
            str(n),
            "",
            "2013-01-04T00:00:00",
            entity={"customer": key} if key is not None else {},
            features={"orders": 2**53 + 1},
        )
        for n, key in enumerate(keys)
    ]
    table = served_table(features, records)
    assert table[view.keys[0]].to_pylist() == [None if key is None else str(key) for key in keys]
    assert table["orders"].to_pylist() == [float(2**53)] * len(keys)
