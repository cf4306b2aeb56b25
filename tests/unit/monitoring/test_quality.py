from __future__ import annotations

from typing import Any

import pyarrow as pa

from include.monitoring.profile.profiles import profile
from include.monitoring.quality import Quality, inspect
from include.monitoring.reference import Reference
from tests.support.synthetic_predictions import MADE, collected, put, rows


def quality(table: pa.Table, reference: Reference, **changes: Any) -> Quality:
    return inspect(profile(table, reference.axes), reference, collected(table, **changes))


def issues(found: Quality) -> list[tuple[str, str, str]]:
    return [(issue.kind, issue.severity, issue.column) for issue in found.issues]


def week() -> pa.Table:
    return rows(MADE, 7, seed=5)


def test_ordinary_data_are_whole(reference: Reference) -> None:
    found = quality(week(), reference)
    assert found.passed
    assert issues(found) == []


def test_an_empty_window_fails(reference: Reference) -> None:
    found = quality(week().slice(0, 0), reference)
    assert not found.passed
    assert issues(found) == [("empty", "fail", "")]


def test_eight_rows_are_reported_as_low_volume_and_nothing_else(reference: Reference) -> None:
    found = quality(put(week().slice(0, 8), "carrier_code", ["??"] * 8), reference)
    assert found.passed
    assert issues(found) == [("volume", "warn", "")]


def test_a_column_gone_fails_and_a_new_one_is_reported(reference: Reference) -> None:
    found = quality(week().drop_columns("temp"), reference, absent_columns=["temp"], unexpected_columns=["extra"])
    assert issues(found) == [("absent", "fail", "temp"), ("unexpected", "warn", "extra")]
    assert "temp is in no prediction" in found.issues[0].summary


def test_missing_values_beyond_the_past_warn_then_fail(reference: Reference) -> None:
    table, n = week(), week().num_rows
    some = put(table, "precip", [None if i % 8 == 0 else 0.1 * (i % 5) for i in range(n)])
    many = put(table, "precip", [None if i % 2 == 0 else 0.1 * (i % 5) for i in range(n)])
    assert issues(quality(some, reference)) == [("missing", "warn", "precip")]
    assert issues(quality(many, reference)) == [("missing", "fail", "precip")]
    assert quality(some, reference).passed


def test_many_answers_by_a_default_are_told_and_stop_nothing(reference: Reference) -> None:
    found = quality(week(), reference, defaulted={"precip": 30, "hour": 400})
    assert issues(found) == [("defaulted", "warn", "hour")]
    assert "57% of the requests had no hour, and were answered by its default" in found.issues[0].summary
    assert found.passed
    assert found.columns == {}  # nor is it set aside from drift


def test_unseen_categories_are_named_with_their_share(reference: Reference) -> None:
    found = quality(put(week(), "carrier_code", ["ZZ"] * 350 + ["UA", "B6"] * 175), reference)
    assert issues(found) == [("unseen", "fail", "carrier_code")]
    assert "50% of the rows" in found.issues[0].summary


def test_a_constant_column_fails_unless_it_often_is(reference: Reference) -> None:
    n = week().num_rows
    assert issues(quality(put(week(), "temp", [55.0] * n), reference)) == [("constant", "fail", "temp")]
    assert issues(quality(put(week(), "precip", [0.0] * n), reference)) == []  # nine hours in ten are dry


def test_contradicting_labels_and_degraded_answers_are_reported(reference: Reference) -> None:
    found = quality(week(), reference, labels_contradicting=3, degraded=200)
    assert issues(found) == [("degraded", "fail", ""), ("labels", "warn", "")]
    assert not found.passed


def test_columns_that_quality_speaks_of_are_left_out_of_drift(reference: Reference) -> None:
    found = quality(put(week(), "temp", [55.0] * 700), reference, unexpected_columns=["extra"])
    assert list(found.columns) == ["temp"]


def test_labels_older_than_their_requests_tell_of_a_wrong_clock(reference: Reference) -> None:
    assert issues(quality(week(), reference, labels_before_request=2)) == [("clock", "warn", "")]
    assert issues(quality(week(), reference, labels_before_request=400)) == [("clock", "fail", "")]


def test_labels_of_unknown_requests_and_duplicates_are_no_issue(reference: Reference) -> None:
    assert quality(week(), reference, labels_of_unknown_requests=5000, duplicates=30).issues == ()
