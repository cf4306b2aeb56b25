"""The training set against a plain Python account of what was known at each row's time."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from include.core.digest import digest_file
from include.core.errors import DataError
from include.core.request import Result
from include.core.task import perform
from include.data.window import moment
from include.features.withdrawn_step import snapshot
from include.model_contract.view_version import versions
from include.monitoring.feedback_step import told_snapshot
from include.prediction_log.record import Record
from include.prediction_log.shared import log_of
from include.prediction_log.writer import PredictionLog
from tests.support.shop import FIRST, HERE, SPEC, Shop, returns_of, views

AS_OF = datetime.fromisoformat("2013-01-08")
TTL = timedelta(hours=20)
Row = dict[str, Any]


@pytest.fixture
def week(taken_in: Shop) -> Shop:
    return taken_in


def rows_of(shop: Shop, count: int, name: str) -> list[Row]:
    days = (FIRST + timedelta(days=n) for n in range(count))
    return [row for day in days for row in shop.read(shop.features(day), name).to_pylist()]


def expected(shop: Shop, count: int, as_of: datetime) -> list[Row]:
    """One row an entity, features as known then, labels as known at `as_of`: quadratic and obvious."""
    view, known = rows_of(shop, count, "customer"), rows_of(shop, count, "labels")
    labels = {row["request_id"]: row["came_back"] for row in known if row["label_timestamp"] <= as_of}
    found = []
    for entity in rows_of(shop, count, "entities"):
        asked = entity["event_timestamp"]
        if asked >= as_of or entity["request_id"] not in labels:
            continue
        past = [row for row in view if row["customer"] == entity["customer"] and row["event_timestamp"] <= asked]
        last = max(past, key=lambda row: row["event_timestamp"], default={})
        if last and asked - last["event_timestamp"] > TTL:
            last = {}
        mean_price, grade = last.get("mean_price"), last.get("grade")
        found.append(
            {
                "request_id": entity["request_id"],
                "event_timestamp": asked,
                "customer": entity["customer"],
                "orders": last.get("orders"),
                "mean_price": 5.0 if mean_price is None else mean_price,
                "grade": "it's new" if grade is None else grade,
                "price": entity["price"],
                "shelf": entity["shelf"],
                "came_back": labels[entity["request_id"]],
            }
        )
    return sorted(found, key=lambda row: (row["event_timestamp"], row["request_id"]))


def test_every_row_holds_what_was_known_at_its_time_and_nothing_later(week: Shop) -> None:
    result = week.training_set(week.days(8))
    train, holdout = (week.read(result, name).to_pylist() for name in ("train", "holdout"))
    wanted = expected(week, 8, AS_OF)
    assert train + holdout == wanted
    assert any(row["orders"] is None for row in wanted), "some rows must have nothing known, or this shows little"
    split = AS_OF - timedelta(days=3)  # two days before the end of the newest labelled day, the 6th
    assert max(row["event_timestamp"] for row in train) < split <= min(row["event_timestamp"] for row in holdout)
    assert result.value["rows"] == len(wanted)
    assert result.value["positives"] == sum(row["came_back"] for row in wanted)
    assert result.value["holdout_rows"] == len(holdout)


def test_columns_and_types_are_the_contract(week: Shop) -> None:
    schema = week.read(week.training_set(week.days(8)), "train").schema
    inputs = [feature.name for feature in SPEC.features.inputs]
    assert schema.names == ["request_id", "event_timestamp", *SPEC.features.keys, *inputs, SPEC.label]
    assert [str(schema.field(name).type) for name in ("came_back", "orders", "price", "shelf")] == [
        "int8",
        "int64",
        "double",
        "string",
    ]


def test_rows_without_a_label_yet_are_dropped_and_counted(week: Shop) -> None:
    refs = week.days(8)
    whole, noon = week.training_set(refs), week.training_set(refs, as_of="2013-01-07T03:00:00+00:00")
    assert whole.value["unlabelled"] == 6 * 4 + 40, "four a day are never told, the last day is not yet"
    labelled = {row["request_id"] for name in ("train", "holdout") for row in week.read(noon, name).to_pylist()}
    assert {text for text in labelled if text.startswith("2013-01-06")} == {f"2013-01-06-{n}" for n in range(18)}


def test_the_window_and_the_holdout_cut_by_time(week: Shop) -> None:
    result = week.training_set(week.days(8), window_days=4, holdout_days=1)
    assert result.value["first"] >= "2013-01-04T00:00:00"
    # The newest labelled rows are of the 6th: the holdout is the newest day that there is.
    held_out = week.read(result, "holdout")["event_timestamp"].to_pylist()
    assert {time.date().isoformat() for time in held_out} == {"2013-01-06"}


def test_a_corrected_label_counts_from_the_moment_it_is_known(week: Shop) -> None:
    day = FIRST + timedelta(days=5)
    table = returns_of(day)
    corrected = returns_of(day - timedelta(days=1), label=lambda n: True).slice(1, 1)
    later = corrected.set_column(2, "known_at", table["known_at"].slice(30, 1))
    week.land("returns", day, pa.concat_tables([table, later]))
    name = corrected["id"][0].as_py()
    refs = week.days(8)

    def label(as_of: str) -> int:
        result = week.training_set(refs, as_of=as_of)
        rows = [row for part in ("train", "holdout") for row in week.read(result, part).to_pylist()]
        return int(next(row["came_back"] for row in rows if row["request_id"] == name))

    assert [label(f"2013-01-06T0{hour}:00:00") for hour in (4, 6)] == [0, 1]


def test_the_same_days_give_the_same_bytes(week: Shop) -> None:
    refs = week.days(8)
    result = week.training_set(refs)
    digests = {name: file.digest for name, file in result.files.items()}
    week.ledger.storage.delete(f"ledger/{result.key}")
    again = week.training_set(dict(reversed(refs.items())))
    assert {name: file.digest for name, file in again.files.items()} == digests
    for file in again.files.values():
        assert digest_file(week.ledger.storage.fetch(file.path, week.settings.home)) == file.digest


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"as_of": "2012-01-01T00:00:00"}, "No row was asked"),
        ({"as_of": "2013-01-01T12:00:00"}, "None of [0-9]+ rows has a label 'came_back' by then"),
        ({"as_of": "2013-01-08T00:00:00", "window_days": 1}, "None of 40 rows has a label 'came_back'"),
        ({"minimum_rows": 5000}, "Only 2[0-9]+ labelled rows, fewer than training.minimum_rows = 5000"),
        ({"holdout_days": 30}, "training.holdout_days = 30 leaves 0 rows to train on and 2[0-9]+ held out"),
    ],
)
def test_a_window_that_cannot_be_trained_on_is_refused_with_counts_and_the_setting(
    week: Shop, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=f"(?s){said}") as caught:
        week.training_set(week.days(8), **params)
    assert caught.value.seen["rows"] >= 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (lambda n: None, "is null or has not arrived"),
        (lambda n: True, "of the rows to train on tell nothing: 144 of 144"),
    ],
)
def test_labels_that_are_all_null_or_all_alike_are_refused(empty_shop: Shop, label: Any, said: str) -> None:
    empty_shop.land_days(8, label=label)
    with pytest.raises(DataError, match=f"(?s){said}"):
        empty_shop.training_set(empty_shop.days(8))


def test_no_published_day_at_all_is_refused(week: Shop) -> None:
    with pytest.raises(DataError, match="No day is published in the 30 days before"):
        week.training_set({})


def test_a_missing_float_without_default_is_nan(week: Shop) -> None:
    section = SPEC.features.model_dump(mode="json")
    section["views"][0]["features"][1]["default"] = None
    result = week.training_set(week.days(8), features=section)
    rows = week.read(result, "train").to_pylist()
    assert {math.isnan(row["mean_price"]) for row in rows if row["orders"] is None} == {True}


def test_a_value_that_arrives_late_is_not_seen_before(week: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day at noon a value of the day before arrives: it is newer than any other there is, and must wait for noon."""

    def late(day: date) -> dict[str, str]:
        noon = f"TIMESTAMP '{day} 12:00:00'"
        row = f"SELECT unnest(['ann', 'bob', 'cleo']) AS customer, {noon} - INTERVAL 1 DAY AS event_timestamp"
        return {"customer": f"{row}, {day.day} AS orders, 1.0 AS mean_price, 'a' AS grade, {noon} AS seen_at"}

    monkeypatch.setattr(f"{HERE}.views", late)
    view = SPEC.features.views[0].model_copy(update={"created": "seen_at", "ttl": None})
    features = SPEC.features.model_copy(update={"views": (view,)})
    days = (FIRST + timedelta(days=n) for n in range(8))
    refs = {day.isoformat(): week.ledger.ref(week.features(day, features)) for day in days}
    result = week.training_set(refs, features=features.model_dump(mode="json"))
    found = [row for name in ("train", "holdout") for row in week.read(result, name).to_pylist() if row["customer"]]
    noon = timedelta(hours=12)
    assert len(found) > 100
    for row in found:
        known = (row["event_timestamp"] - noon).day if row["event_timestamp"] >= datetime(2013, 1, 1, 12) else None  # noqa: DTZ001
        assert row["orders"] == known
    assert result.value["views"] == versions(features)


def test_days_of_two_definitions_are_refused(week: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    old = week.days(4)
    sql = views(FIRST)["customer"].replace("count(*)", "2 * count(*)")
    monkeypatch.setattr(f"{HERE}.views", lambda day: {"customer": sql.replace(str(FIRST), str(day))})
    for day in range(4, 8):
        week.ledger.storage.delete(f"ledger/{week.features(FIRST + timedelta(days=day)).key}")
    new = {day: ref for day, ref in week.days(8).items() if day not in old}
    with pytest.raises(DataError, match="more than one version of") as caught:
        week.training_set({**old, **new})
    assert "2013-01-05 to 2013-01-08 (4 days)" in str(caught.value.seen)


def test_requests_of_withdrawn_versions_are_left_out(week: Shop) -> None:
    refs = week.days(8)
    whole = week.training_set(refs)
    asked = [row["request_id"] for row in week.read(whole, "train").to_pylist()][:6]
    log = PredictionLog(week.settings.home, SPEC.name)
    log.write([
        Record("prediction", name, "2026-01-01T00:00:00.000000+00:00", "2013-01-03T12:00:00", version=number % 3, score=0.5)
        for number, name in enumerate([*asked, "nobody"])
    ])  # fmt: skip
    log.close()

    def left_out(gone: list[int]) -> Result:
        request = snapshot(log_of(week.settings), SPEC, "2013-01-08T00:00:00", gone)
        made = perform(request, week.ledger.open_attempt(request.key, 0), week.ledger, week.settings)
        return week.training_set({**refs, "withdrawn": week.ledger.ref(made)})

    rows = {row["request_id"] for row in week.read(left_out([2]), "train").to_pylist()}
    assert set(asked) - rows == {asked[2], asked[5]}
    assert left_out([2]).value["rows"] == whole.value["rows"] - 2
    assert left_out([]).value["rows"] == whole.value["rows"]


def test_labels_that_callers_sent_are_learned_from_where_none_has_landed(week: Shop) -> None:
    refs = week.days(8)
    whole = week.training_set(refs)
    rows = week.read(whole, "train").to_pylist()
    landed, waiting = rows[0], f"{FIRST}-39"  # of the last four of a day no label lands
    log = PredictionLog(week.settings.home, SPEC.name)
    known = "2013-01-07T12:00:00"
    wrong = 1.0 - float(landed[SPEC.label])
    log.write([Record("label", landed["request_id"], f"{known}.000000+00:00", known, label=wrong),
               Record("label", waiting, f"{known}.000000+00:00", known, label=1.0),
               Record("label", "nobody", f"{known}.000000+00:00", known, label=1.0)])  # fmt: skip
    log.close()
    request = told_snapshot(log_of(week.settings), SPEC, moment("2013-01-08"), 30)
    told = week.ledger.ref(perform(request, week.ledger.open_attempt(request.key, 0), week.ledger, week.settings))
    result = week.training_set({**refs, "feedback": told})
    assert (result.value["told"], result.value["rows"]) == (1, whole.value["rows"] + 1)
    found = {row["request_id"]: row[SPEC.label] for part in ("train", "holdout") for row in week.read(result, part).to_pylist()}
    assert found[waiting] == 1
    assert found[landed["request_id"]] == landed[SPEC.label]
    assert "told" not in whole.value
