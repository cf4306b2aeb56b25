"""The features last read: bounded in number and in age."""

from __future__ import annotations

import time

from include.serving.prediction.last_known import LastKnown


def test_what_was_read_last_is_known_and_the_newest_reading_counts() -> None:
    known, now = LastKnown(60, 10), time.monotonic()
    known.keep(("oslo",), {"heat": 1}, now)
    known.keep(("oslo",), {"heat": 2}, now)
    assert known.get(("oslo",)) == {"heat": 2}
    assert known.get(("rome",)) is None


def test_it_stays_within_its_size_and_keeps_what_was_read_last() -> None:
    known, now = LastKnown(60, 10), time.monotonic()
    for n in range(95):
        known.keep(n, {"n": n}, now)
    assert len(known) <= 20
    assert all(known.get(n) == {"n": n} for n in range(85, 95))
    assert known.get(70) is None


def test_what_was_read_too_long_ago_is_not_known() -> None:
    known = LastKnown(60, 10)
    known.keep("old", {"heat": 1}, time.monotonic() - 61)
    assert known.get("old") is None


def test_an_entity_known_to_have_no_features_is_not_an_unknown_one() -> None:
    known = LastKnown(60, 10)
    known.keep("empty", {}, time.monotonic())
    assert known.get("empty") == {}
