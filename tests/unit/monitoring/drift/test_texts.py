"""Texts and vectors in the drift test and in quality: eight weeks of reviews as the past, another week against them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from include.core.spec import Feature
from include.monitoring.drift.drift import DriftVerdict, judge
from include.monitoring.profile.profiles import profile
from include.monitoring.quality import Quality, inspect
from include.monitoring.reference import Reference

FEATURES = (Feature(name="review", dtype="text"), Feature(name="embedding", dtype="vector[8]"), Feature(name="age"))
DRESSES = ("the", "dress", "fits", "well", "and", "its", "colour", "is", "soft", "lovely", "size", "small", "returned", "seam")
PHONES = ("battery", "charger", "screen", "broke", "two", "weeks", "sound", "cable", "plug", "slow", "call", "update", "signal")
RARE = 20_000  # words that a review has one of
START = datetime.fromisoformat("2024-01-01")
A_DAY, WEEKS = 60, 9


def reviews(days: int, seed: int, words: Sequence[str] = DRESSES, shift: float = 0.0, start: datetime = START) -> pa.Table:
    draw = random.Random(seed)
    count = days * A_DAY
    vectors = [[draw.gauss(shift, 1) for _ in range(8)] for _ in range(count)]
    return pa.table(
        {
            "event_timestamp": pa.array([start + timedelta(days=n / A_DAY) for n in range(count)], pa.timestamp("us")),
            "review": [" ".join([f"w{draw.randrange(RARE)}", *draw.choices(words, k=draw.randint(5, 30))]) for _ in range(count)],
            "embedding": pa.array(vectors, pa.list_(pa.float32())),
            "age": [draw.gauss(40, 10) for _ in range(count)],
        }
    )


@pytest.fixture(scope="module")
def past() -> Reference:
    return Reference.of(reviews(7 * WEEKS, 1), FEATURES, timedelta(days=7), START + timedelta(days=7 * WEEKS))


def quality(table: pa.Table, past: Reference) -> Quality:
    told: dict[str, Any] = {
        "rows": table.num_rows, "absent_columns": [], "unexpected_columns": [], "degraded": 0, "labels_contradicting": 0,
    }  # fmt: skip
    return inspect(profile(table, past.axes), past, told)


def verdict(table: pa.Table, past: Reference) -> DriftVerdict:
    found = quality(table, past)
    return judge(profile(table, past.axes), table.num_rows, past, minimum_rows=100, set_aside=found.columns)


def moved(found: DriftVerdict) -> set[str]:
    return {column.name for column in found.columns if column.drifted}


def test_an_ordinary_week_of_texts_and_vectors_raises_no_alarm(past: Reference) -> None:
    found = verdict(reviews(7, 2), past)
    assert found.verdict == "none", found.columns


def test_other_words_are_found_by_their_distance_and_by_what_is_known_of_them(past: Reference) -> None:
    assert {"review.distance", "review.known"} <= moved(verdict(reviews(7, 3, DRESSES[:6] + PHONES), past))


def test_vectors_elsewhere_are_found_by_their_distance(past: Reference) -> None:
    found = moved(verdict(reviews(7, 4, shift=0.7), past))
    assert "embedding.distance" in found
    assert not any(name.startswith("review") for name in found)


def test_blank_texts_and_zero_vectors_fail_and_are_set_aside_from_drift(past: Reference) -> None:
    week = reviews(7, 5)
    blank = pa.array(["..." if n % 3 else text for n, text in enumerate(week["review"].to_pylist())])
    vectors = [[0.0] * 8 if n % 2 else each for n, each in enumerate(week["embedding"].to_pylist())]
    zeros = pa.array(vectors, pa.list_(pa.float32()))
    broken = week.set_column(1, "review", blank).set_column(2, "embedding", zeros)
    told = {(issue.kind, issue.severity, issue.column) for issue in quality(broken, past).issues}
    assert {("blank", "fail", "review"), ("blank", "fail", "embedding")} <= told
    assert not {name for name in moved(verdict(broken, past)) if name != "age"}


def test_missing_texts_are_missing_values(past: Reference) -> None:
    week = reviews(7, 6)
    gone = pa.array([None if n % 2 else text for n, text in enumerate(week["review"].to_pylist())], pa.string())
    told = {(issue.kind, issue.severity, issue.column) for issue in quality(week.set_column(1, "review", gone), past).issues}
    assert ("missing", "fail", "review") in told
