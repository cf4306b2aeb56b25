"""Which days lack what somebody reads: by what was brought online of them, and in which epoch of the store."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.control import ControlStore
from include.core.request import Result
from include.core.spec import View
from include.features.online.catch_up import _key, pending, record
from include.features.online.presence import MATERIALIZATIONS
from include.model_contract.definition import Definition, Pins
from tests.support.shop import SPEC

DAY = date(2013, 1, 1)
VIEW = SPEC.features.views[0].model_copy(update={"version": "new"})
OLD = VIEW.model_copy(update={"version": "old"})
NOBODY = Pins((), False)


def pins(*views: View, unpinned: bool = False) -> Pins:
    return Pins(tuple(Definition(view, "") for view in views), unpinned)


class Shop:
    def __init__(self, folder: Path) -> None:
        self.control = ControlStore(f"sqlite:///{folder}/control.db")
        self.control.create_tables()
        self.store = SqliteOnlineStore(folder / "online.db")
        value = {
            "day": DAY.isoformat(),
            "definitions": {"customer": Definition(VIEW, "").to_json()},
            "versions": {"customer": "new"},
        }
        self.result = Result("features/ab", 0, 1, value, {}, 0.0, "2013-01-02T00:00:00.000+00:00")

    def bring(self, known: Pins, *views: View) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        row = {"customer": "ann", "event_timestamp": now, "orders": 1, "mean_price": 2.0, "grade": "a"}
        for view in views:
            self.store.write_back(SPEC.name, view, pa.Table.from_pylist([row]), now)
        record(self.control, SPEC.name, self.result, known, self.store, views)

    def lacks(self, known: Pins) -> bool:
        return pending(self.control, SPEC, [DAY], {DAY.isoformat(): self.result}, known, self.store) == [DAY]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_version_that_reads_what_is_there_already_lacks_nothing(shop: Shop) -> None:
    assert shop.lacks(NOBODY)
    shop.bring(NOBODY, VIEW)
    assert not shop.lacks(NOBODY)
    assert not shop.lacks(pins(VIEW)), "it pins the version that every day is computed by"
    assert shop.lacks(pins(VIEW, OLD))
    assert shop.lacks(pins(VIEW, unpinned=True))
    shop.bring(pins(VIEW, OLD), VIEW, OLD)
    assert not shop.lacks(pins(VIEW, OLD))


def test_a_result_that_was_published_since_is_not_online(shop: Shop) -> None:
    shop.bring(NOBODY, VIEW)
    shop.result = Result(**{**vars(shop.result), "generation": 1})
    assert shop.lacks(NOBODY)


def test_a_record_of_a_lost_epoch_counts_for_nothing(shop: Shop) -> None:
    shop.bring(pins(OLD), VIEW, OLD)
    shop.store._local.connection.execute("DELETE FROM feature_rows WHERE key LIKE '%@old%'")
    assert not shop.lacks(NOBODY)
    assert shop.lacks(pins(OLD))
    shop.bring(pins(OLD), VIEW, OLD)
    assert not shop.lacks(pins(OLD))


def test_a_record_from_before_epochs_were_kept_stands(shop: Shop) -> None:
    key = _key(SPEC.name, DAY.isoformat(), shop.result.key, 0, pins(VIEW))
    MATERIALIZATIONS.save(shop.control, key, SPEC.name, {"day": DAY.isoformat(), "pinned": ["customer@new"]})
    assert not shop.lacks(pins(VIEW))
    assert shop.lacks(pins(OLD))
