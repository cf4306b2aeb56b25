"""Publishing a partition: once, fenced, and never silently replaced."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, audit
from include.core.errors import ConflictError, DataError, FencedError
from include.core.partition import Cadence, Partition
from include.core.request import Ref
from include.data.published import (
    extent,
    models_in,
    newest,
    publish,
    published,
    published_lately,
    references,
    resource,
    rows_in,
)

DAY = date(2013, 1, 2)
OLD, NEW = (Ref(f"/store/{digit}", digit * 64, "features") for digit in "ab")


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store


def put(control: ControlStore, day: date, ref: Ref, epoch: int | None = None) -> bool:
    held = control.take(resource("shop", day), "test") if epoch is None else epoch
    return publish(control, "shop", day, ref, {"orders": 3}, held)


def audited(control: ControlStore) -> list[tuple[str, dict[str, str]]]:
    with control.transaction() as connection:
        return [(row.subject, row.detail) for row in connection.execute(sa.select(audit).order_by(audit.c.seq))]


def test_reads_back_the_days_of_one_model_in_order(control: ControlStore) -> None:
    assert newest(control, "shop") is None
    for n in (3, 1, 2):
        assert put(control, date(2013, 1, n), OLD)
    publish(control, "bakery", date(2013, 2, 1), NEW, {}, 1)
    assert list(published(control, "shop", date(2013, 1, 2), date(2013, 12, 31))) == [date(2013, 1, 2), date(2013, 1, 3)]
    assert published(control, "shop", DAY, DAY) == {DAY: OLD}
    assert newest(control, "shop") == date(2013, 1, 3)


def test_a_partition_that_shrinks_is_refused_unless_the_share_allows_it(control: ControlStore) -> None:
    def publish_rows(ref: Ref, rows: dict[str, int], share: float) -> bool:
        return publish(control, "shop", DAY, ref, rows, control.take(resource("shop", DAY), "test"), share)

    publish_rows(OLD, {"orders": 100, "entities": 10}, 0.5)
    for rows in ({"orders": 49, "entities": 10}, {"orders": 100}):
        with pytest.raises(DataError, match="would shrink to less than"):
            publish_rows(NEW, rows, 0.5)
    assert published(control, "shop", DAY, DAY) == {DAY: OLD}
    assert publish_rows(NEW, {"orders": 50, "entities": 10, "labels": 0}, 0.5)
    assert publish_rows(OLD, {"orders": 1}, 0.0)


def test_publishing_again_changes_nothing_with_the_same_epoch_or_a_new_one(control: ControlStore) -> None:
    assert [put(control, DAY, OLD), put(control, DAY, OLD, epoch=1), put(control, DAY, OLD)] == [True, False, False]
    assert audited(control) == []


def test_replacing_leaves_an_audit_row_and_may_be_undone(control: ControlStore) -> None:
    assert [put(control, DAY, ref) for ref in (OLD, NEW, OLD)] == [True] * 3
    assert published(control, "shop", DAY, DAY) == {DAY: OLD}
    there, back = {"from": OLD.digest, "to": NEW.digest}, {"from": NEW.digest, "to": OLD.digest}
    assert audited(control) == [(f"shop/{DAY}", there), (f"shop/{DAY}", back)]
    assert control.broken_audit_rows() == []


def test_a_late_attempt_cannot_bring_back_old_data(control: ControlStore) -> None:
    late = control.take(resource("shop", DAY), "paused attempt")
    put(control, DAY, NEW)
    with pytest.raises(FencedError):
        put(control, DAY, OLD, epoch=late)
    assert published(control, "shop", DAY, DAY) == {DAY: NEW}


def test_what_others_ask_of_the_published_days(control: ControlStore) -> None:
    assert (extent(control, "shop"), published_lately(control, timedelta(days=7))) == ((None, 0), {})
    for n in (1, 2, 9, 12):
        put(control, date(2013, 1, n), OLD)
    publish(control, "bakery", date(2013, 2, 1), NEW, {"orders": 1}, 1)
    assert extent(control, "shop") == (date(2013, 1, 12), 4)
    assert published_lately(control, timedelta(days=7)) == {
        "shop": frozenset({date(2013, 1, 9), date(2013, 1, 12)}),
        "bakery": frozenset({date(2013, 2, 1)}),
    }
    with control.transaction() as connection:
        between = rows_in(connection, "shop", date(2013, 1, 2), date(2013, 1, 9))
        assert between == {date(2013, 1, 2): {"orders": 3}, date(2013, 1, 9): {"orders": 3}}
        assert list(rows_in(connection, "bakery")) == [date(2013, 2, 1)]
        assert models_in(connection) == {"shop", "bakery"}
    assert sorted((model, day, ref.digest[0]) for model, day, ref in references(control))[0] == ("bakery", "2013-02-01", "b")


def test_a_partition_that_overlaps_another_is_refused_and_one_beside_it_is_not(control: ControlStore) -> None:
    def of(partition: Partition) -> bool:
        return publish(control, "shop", partition, OLD, {}, control.take(resource("shop", partition), "test"))

    hourly, weekly, berlin = Cadence(timedelta(hours=1)), Cadence(timedelta(days=7)), Cadence(zone="Europe/Berlin")
    assert of(Partition.of_day(DAY))
    within, around, beside = hourly.parse("2013-01-02T23:00"), weekly.at(datetime.fromisoformat("2013-01-02")), berlin.on(DAY)
    for partition in (within, around, beside):
        with pytest.raises(ConflictError, match=r"(?s)overlaps 2013-01-02, which is published.*data.every or data.zone"):
            of(partition)
    assert of(hourly.parse("2013-01-03T00:00"))
    assert [str(each) for each in published(control, "shop", DAY, date(2013, 1, 3))] == ["2013-01-02", "2013-01-03T00:00"]
    with control.transaction() as connection:
        (first, last) = rows_in(connection, "shop")
    assert (first, last.end) == (DAY, datetime.fromisoformat("2013-01-03T01:00"))
