"""How a row lies in the store: its key, the version in it, and its values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.spec import Feature, View
from include.core.time import from_microseconds, microseconds
from include.online_store.layout import EARLIEST, Layout, unpack_entities, unpack_entity, version_of
from include.online_store.row_codec import pack
from include.online_store.store import Row, Values

AT = datetime.fromisoformat("2013-03-01T10:00:00")
RATES = View(name="rates", keys=("origin", "dest"), features=(Feature(name="rate"),), ttl=timedelta(hours=1))
PLANE = View(name="plane", keys=("tail",), features=(Feature(name="year"), Feature(name="kind", dtype="category")))
LAYOUTS = tuple(Layout.of("m", view) for view in (RATES, PLANE))


def row(layout: Layout, at: datetime = AT, **values: object) -> Row:
    columns = {name: [value] for name, value in values.items()}
    times = pa.array([at], pa.timestamp("us"))
    packed = pack(layout, pa.table({**columns, **{key: ["x"] for key in layout.view.keys}, "event_timestamp": times}), at)
    return packed.events[0], packed.payloads[0]


def test_a_changed_schema_is_another_version_and_defaults_are_none() -> None:
    described = PLANE.model_copy(update={"description": "x", "ttl": timedelta(1)})
    retyped = PLANE.model_copy(update={"features": (Feature(name="year", dtype="int"), *PLANE.features[1:])})
    pinned = PLANE.model_copy(update={"version": "aa"})
    assert version_of(described) == version_of(PLANE)
    assert len({version_of(view) for view in (PLANE, retyped, pinned)}) == 3


def test_the_marks_of_a_version_are_its_own_and_those_of_the_view() -> None:
    pinned = Layout.of("m", PLANE.model_copy(update={"version": "aa"}))
    assert pinned.marks == (pinned.newest, LAYOUTS[1].newest)
    assert LAYOUTS[1].marks == (LAYOUTS[1].newest,)


def test_the_keys_of_an_entity_are_those_of_its_values_one_by_one_and_together() -> None:
    entities = [{"origin": "JFK", "dest": 7, "tail": "é"}, {"origin": "a,b", "dest": "7", "tail": 5}, {}]
    for layout, names in zip(LAYOUTS, (RATES.keys, PLANE.keys), strict=True):
        alone = [layout.key([entity.get(name) for name in names]) for entity in entities]
        assert [layout.entity_key(entity) for entity in entities] == alone == layout.entity_keys(entities)
    with pytest.raises(DataError, match="neither text nor a whole number"):
        LAYOUTS[0].entity_key({"origin": 1.5, "dest": "x"})


def test_rows_that_are_missing_or_outlived_give_no_values() -> None:
    rate, plane = row(LAYOUTS[0], rate=0.5), row(LAYOUTS[1], year=None, kind="jet")
    known: Values = {"rate": 0.5, "year": None, "kind": "jet"}
    now = microseconds(AT + timedelta(hours=1))
    assert unpack_entity(LAYOUTS, [rate, plane], now) == known
    assert unpack_entity(LAYOUTS, [rate, plane], now + 1) == {"year": None, "kind": "jet"}
    assert unpack_entity(LAYOUTS, [rate, None], None) == {"rate": 0.5}
    together = unpack_entities(LAYOUTS, [rate, None, rate, plane, plane, None], 3, now)
    assert together == [known, {"year": None, "kind": "jet"}, {"rate": 0.5}]


def test_a_moment_is_its_microseconds_whatever_its_zone() -> None:
    zoned = AT.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=5)))
    assert microseconds(zoned) == microseconds(AT)
    assert from_microseconds(microseconds(AT)) == AT
    assert from_microseconds(EARLIEST).year == 1653
