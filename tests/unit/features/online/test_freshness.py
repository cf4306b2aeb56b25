"""The age of a view's newest value, and what is said of it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.spec import ModelSpec
from include.features.online.freshness import freshness, samples, stale_words
from tests.support.shop import SPEC

NOON = datetime.fromisoformat("2013-01-03T12:00:00")
HOUR = timedelta(hours=1)


def spec(limit: timedelta | None, last: date | None = None) -> ModelSpec:
    view = SPEC.features.views[0].model_copy(update={"freshness": limit})
    features = SPEC.features.model_copy(update={"views": (view,)})
    return SPEC.model_copy(update={"features": features, "data": SPEC.data.model_copy(update={"last": last})})


def filled(folder: Path, at: datetime = NOON) -> SqliteOnlineStore:
    store = SqliteOnlineStore(folder / "online.db")
    row = {"customer": "ann", "event_timestamp": at, "orders": 1, "mean_price": 2.0, "grade": "a"}
    store.write(SPEC.name, SPEC.features.views[0], pa.Table.from_pylist([row]), at)
    return store


def test_a_view_is_stale_once_its_newest_value_is_older_than_it_may_be(tmp_path: Path) -> None:
    store, limited = filled(tmp_path), spec(2 * HOUR)
    (fresh,) = freshness(store, limited, NOON + 2 * HOUR)
    (stale,) = freshness(store, limited, NOON + 3 * HOUR)
    assert (fresh.age, fresh.stale, stale.age, stale.stale) == (2 * HOUR, False, 3 * HOUR, True)
    assert stale_words([fresh, stale]) == [
        "customer: the newest value online is of 2013-01-03 12:00:00 UTC, older than its freshness of 2:00:00."
    ]


def test_a_view_that_was_never_written_is_stale_if_it_promised_anything(tmp_path: Path) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")
    assert [each.stale for limit in (HOUR, None) for each in freshness(store, spec(limit), NOON)] == [True, False]
    assert "none at all" in stale_words(freshness(store, spec(HOUR), NOON))[0]


def test_a_source_that_has_ended_is_judged_as_of_its_end(tmp_path: Path) -> None:
    (found,) = freshness(filled(tmp_path), spec(12 * HOUR, date(2013, 1, 3)), NOON + timedelta(days=900))
    assert (found.age, found.stale) == (12 * HOUR, False)


def test_a_value_of_the_future_has_no_negative_age(tmp_path: Path) -> None:
    assert freshness(filled(tmp_path), spec(HOUR), NOON - HOUR)[0].age == timedelta(0)


def test_the_metrics_page_gets_what_is_known(tmp_path: Path) -> None:
    found = {(name, labels): value for name, labels, value in samples(filled(tmp_path), spec(2 * HOUR, NOON.date()))}
    assert found == {
        ("slipstream_feature_age_seconds", ("shop", "customer")): 12 * 3600,
        ("slipstream_feature_freshness_seconds", ("shop", "customer")): 2 * 3600,
    }
    assert list(samples(SqliteOnlineStore(tmp_path / "empty.db"), spec(None))) == []
