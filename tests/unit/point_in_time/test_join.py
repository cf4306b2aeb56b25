"""The point-in-time join against an oracle that looks at every row: late arrivals, ties, time to live, zones, nulls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.spec import Feature, View
from include.features.offline.as_of_search import fetch, index
from include.features.offline.batch import batches, spans, steps
from include.features.offline.parquet import utc
from include.point_in_time.join import CREATED, EVENT, Output, Side, join, point_in_time, staircase
from tests.support.effort import effort

EXAMPLES, GROUPS = effort(30, 125), 17  # a case is a key with its rows: 500 or 2,000 in all, and each time one null key
START = datetime(2013, 3, 31, tzinfo=UTC)  # the night with an hour that does not exist in Europe
ZONES = [None, UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=14))]
TICK = timedelta(minutes=30)
Row = dict[str, Any]

ticks = st.integers(0, 6)  # few moments, so that many collide
# When a row was created, from its event on: before it (a forecast), with it, after others; or nobody knows.
lateness = st.one_of(st.none(), st.sampled_from([0, 0, 0, -2, 1, 2, 4]))
rows = st.lists(st.tuples(st.one_of(ticks, ticks, ticks, st.none()), lateness, st.one_of(st.none(), ticks)), max_size=6)
groups = st.lists(st.tuples(rows, st.lists(ticks, max_size=4)), min_size=GROUPS, max_size=GROUPS)
shapes = st.fixed_dictionaries(
    {"ttl": st.sampled_from([None, 0, 1, 3]), "created": st.booleans(), "zones": st.tuples(*[st.sampled_from(ZONES)] * 3)}
)


def moment(tick: int) -> datetime:
    return START + tick * TICK


def table_of(found: list[Row], times: dict[str, timezone | None]) -> pa.Table:
    """Times in a zone, or as UTC without one."""
    schema: dict[str, Any] = {"key": pa.string(), "id": pa.int64(), "y": pa.int64()}
    for name, zone in times.items():
        schema[name] = pa.timestamp("us", str(zone).removeprefix("UTC") or "UTC") if zone else pa.timestamp("us")
    return pa.Table.from_pylist(found, pa.schema(list(schema.items())))


def world(groups: list[Any]) -> tuple[list[Row], list[Row]]:
    """View rows and entity rows. The last group's key is null: it is nobody's."""
    views, asked = [], []
    for place, (given_rows, given_asked) in enumerate(groups):
        key = None if place == GROUPS - 1 else f"k{place}"
        for event, late, y in given_rows:
            created = None if event is None or late is None else moment(event + late)
            when = None if event is None else moment(event)
            views.append({"key": key, "id": len(views), "y": y, EVENT: when, CREATED: created})
        asked += [{"key": key, "id": len(asked) + n, "y": None, EVENT: moment(tick)} for n, tick in enumerate(given_asked)]
    return views, asked


def known_at(row: Row, *, created: bool) -> datetime:
    arrived = row[CREATED] if created and row[CREATED] is not None else row[EVENT]
    return max(row[EVENT], arrived)


def oracle(views: list[Row], entity: Row, shape: Row) -> Row | None:
    """The newest event known by then, of it the newest created, of those the greatest id: quadratic and obvious."""
    same = [row for row in views if row["key"] is not None and row["key"] == entity["key"] and row[EVENT] is not None]
    seen = [row for row in same if known_at(row, created=shape["created"]) <= entity[EVENT]]

    def newest(row: Row) -> tuple[datetime, datetime, int]:
        return row[EVENT], (row[CREATED] or row[EVENT]) if shape["created"] else row[EVENT], row["id"]

    last = max(seen, key=newest, default=None)
    if last and shape["ttl"] is not None and entity[EVENT] - last[EVENT] > shape["ttl"] * TICK:
        return None
    return last


def prepared(connection: duckdb.DuckDBPyConnection, views: list[Row], asked: list[Row], shape: Row) -> Side:
    connection.execute("SET TimeZone = 'UTC'")
    first, second, third = shape["zones"]
    connection.register("view_rows", table_of(views, {EVENT: first, CREATED: second}))
    connection.register("entity_arrow", table_of(asked, {EVENT: third}))
    kinds = {row[0]: row[1] for row in connection.execute("DESCRIBE view_rows").fetchall()}
    kind = connection.execute("DESCRIBE SELECT event_timestamp FROM entity_arrow").fetchall()[0][1]
    connection.execute(f"CREATE OR REPLACE TABLE entities AS SELECT * REPLACE ({utc(EVENT, kind)} AS {EVENT}) FROM entity_arrow")
    created = f", {utc(CREATED, kinds[CREATED])} AS {CREATED}" if shape["created"] else ""
    ttl = None if shape["ttl"] is None else shape["ttl"] * TICK
    select = f"(SELECT key, {utc(EVENT, kinds[EVENT])} AS {EVENT}{created}, id, y FROM view_rows)"
    return Side("v", select, ("key",), (Output("found", "id"), Output("y", "y")), ttl, shape["created"])


def looked_up(connection: duckdb.DuckDBPyConnection, side: Side, entities: str = "entities") -> list[Any] | None:
    """Rows of id, found, y by the search in memory; None where it leaves them to the join."""
    keys = connection.sql(f"SELECT *, epoch_us({EVENT}) AS at FROM {entities}").to_arrow_table()
    if not len(keys):
        return None
    between = connection.execute(f"SELECT min({EVENT}), max({EVENT}) FROM {entities}").fetchall()[0]
    fetched = fetch(connection, side, {"key": keys["key"]}, between)
    held = None if fetched is None else index(fetched)
    if held is None:
        return None
    table = held.find(keys, keys["at"].to_numpy())
    return list(zip(keys["id"].to_pylist(), *(c.to_pylist() for c in table.columns), strict=True))


def stepwise(connection: duckdb.DuckDBPyConnection, side: Side) -> list[Any]:
    """The same batch by batch, each with the rows it may see; by the join where the search has no answer."""
    found: list[Any] = []
    for step in steps(connection, [side], "entities", rows=12):
        some = looked_up(connection, step.sides[0], step.within)
        found += connection.execute(join(step.sides, step.within, ["entity.id"])).fetchall() if some is None else some
    return found


@pytest.fixture(scope="module")
def connection() -> Any:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(groups=groups, shape=shapes)
def test_the_join_is_the_oracles_and_nothing_is_seen_before_it_was_known(
    connection: duckdb.DuckDBPyConnection, groups: list[Any], shape: Row
) -> None:
    views, asked = world(groups)
    side = prepared(connection, views, asked, shape)
    columns = ["entity.id"]
    whole = connection.execute(join([side], "entities", columns)).fetchall()
    cut: list[Any] = []
    for query in batches(connection, [side], "entities", columns, rows=12):
        cut += connection.execute(query).fetchall()
    assert sorted(whole) == sorted(cut), "in batches as in one"
    if (found_in_memory := looked_up(connection, side)) is not None:
        assert sorted(found_in_memory, key=str) == sorted(whole, key=str), "in memory as in SQL"
    assert sorted(stepwise(connection, side), key=str) == sorted(whole, key=str), "in memory batch by batch"
    assert sorted(row[0] for row in whole) == [entity["id"] for entity in asked], "rows in = rows out"
    for place, found, y in whole:
        wanted = oracle(views, asked[place], shape)
        assert (found, y) == ((wanted["id"], wanted["y"]) if wanted else (None, None))
        assert found is None or known_at(views[found], created=shape["created"]) <= asked[place][EVENT], "a future value"


def test_a_view_without_keys_and_several_views_at_once(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE OR REPLACE TABLE asked AS SELECT 'a' AS key, TIMESTAMP '2013-01-02' AS event_timestamp")
    everywhere = Side("world", f"(SELECT TIMESTAMP '2013-01-01' AS {EVENT}, 7 AS x)", (), (Output("x", "x"),))
    own = Side("own", f"(SELECT 'a' AS key, TIMESTAMP '2013-01-01' AS {EVENT}, 8 AS x)", ("key",), (Output("mine", "x"),))
    for plain in ([everywhere, own], [own, everywhere]):
        (query,) = batches(connection, plain, "asked", ["entity.key"])
        assert sorted(connection.execute(query).fetchall()[0], key=str) == [7, 8, "a"]


def test_the_search_in_memory_answers_for_late_rows_and_leaves_equal_ones_to_the_join(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    shape = {"ttl": 3, "created": True, "zones": (None, None, None)}
    groups = [([(0, 0, 1), (0, 2, 2), (1, 0, 3)], [0, 1, 2, 3, 6]), *[([], [])] * (GROUPS - 1)]
    views, asked = world(groups)
    side = prepared(connection, views, asked, shape)
    assert looked_up(connection, side) == [(0, 0, 1), (1, 2, 3), (2, 2, 3), (3, 2, 3), (4, None, None)]
    side = prepared(connection, [*views, {**views[0], "id": 9}], asked, shape)
    assert looked_up(connection, side) is None


def test_infinite_times_are_nobodys_and_infinite_values_stay(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE OR REPLACE TABLE asked AS SELECT 'a' AS key, TIMESTAMP '2013-01-03' AS event_timestamp")
    first, never, ever = "TIMESTAMP '2013-01-01'", "TIMESTAMP 'infinity'", "TIMESTAMP '-infinity'"
    values = f"('a', {first}, {first}, 'inf'::DOUBLE), ('a', TIMESTAMP '2013-01-02', {never}, 2), "
    values += f"('a', {never}, {first}, 3), ('a', {ever}, {first}, 4)"
    rows = f"(SELECT * FROM (VALUES {values}) AS v(key, {EVENT}, {CREATED}, x))"
    (query,) = batches(connection, [Side("v", rows, ("key",), (Output("x", "x"),), None, True)], "asked", ["entity.key"])
    assert connection.execute(query).fetchall() == [("a", float("inf"))]


def test_what_arose_within_a_day_is_seen_on_that_day_and_what_is_as_of_its_end_from_the_next_on(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """What an author is told (docs/authoring.md): a value is known from its own microsecond on, and no partition knows when it
    came online. So what changes within a day is given the day's end, or pushed."""
    asked = ["2013-01-02 09:59:59.999999", "2013-01-02 10:00:00", "2013-01-02 23:59:59.999998", "2013-01-03 00:00:00"]
    times = ", ".join(f"('a', TIMESTAMP '{at}')" for at in asked)
    connection.execute(f"CREATE OR REPLACE TABLE asked AS SELECT * FROM (VALUES {times}) AS v(key, {EVENT})")

    def seen(*rows: tuple[str, int]) -> list[int | None]:
        values = ", ".join(f"('a', TIMESTAMP '{at}', {x})" for at, x in rows)
        side = Side("v", f"(SELECT * FROM (VALUES {values}) AS v(key, {EVENT}, x))", ("key",), (Output("x", "x"),))
        (query,) = batches(connection, [side], "asked", [f"entity.{EVENT}"])
        return [x for _, x in sorted(connection.execute(query).fetchall())]

    assert seen(("2013-01-02 10:00:00", 1)) == [None, 1, 1, 1]
    assert seen(("2013-01-01 23:59:59.999999", 0), ("2013-01-02 23:59:59.999999", 1)) == [0, 0, 0, 1]


def test_the_staircase_keeps_what_can_ever_be_the_answer(connection: duckdb.DuckDBPyConnection) -> None:
    at = [f"TIMESTAMP '2013-01-0{day}'" for day in range(1, 8)]
    # (event, created): the second arrives after a newer event, the fourth corrects the third, the fifth is known with it.
    pairs = [(0, 0), (1, 4), (2, 2), (2, 5), (3, 5)]
    values = ", ".join(f"('a', {at[event]}, {at[created]}, {n})" for n, (event, created) in enumerate(pairs))
    rows = f"(SELECT * FROM (VALUES {values}) AS v(key, {EVENT}, {CREATED}, x))"
    kept = connection.execute(f"SELECT x FROM {staircase(Side('v', rows, ('key',), (Output('x', 'x'),), None, True))}").fetchall()
    assert sorted(kept) == [(0,), (2,), (4,)]


def test_batches_share_the_rows_and_equal_times_stay_together(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        f"CREATE OR REPLACE TABLE asked AS SELECT TIMESTAMP '2013-01-01' + to_hours(i // 10) AS {EVENT} FROM range(1000) t(i)"
    )
    found = spans(connection, "asked", 100)
    assert 8 <= len(found) <= 10
    assert all(one.end == other.first for one, other in pairwise(found))
    connection.execute(f"CREATE OR REPLACE TABLE asked AS SELECT TIMESTAMP '2013-01-01' AS {EVENT} FROM range(1000)")
    assert len(spans(connection, "asked", 100)) == 1
    connection.execute("DELETE FROM asked")
    assert spans(connection, "asked", 100) == []


def test_a_view_of_which_nothing_is_published_is_missing_values(connection: duckdb.DuckDBPyConnection) -> None:
    view = View(
        name="v", keys=("key",), features=(Feature(name="x"), Feature(name="n", dtype="int", default=3)), created="seen_at"
    )
    connection.execute("CREATE OR REPLACE TABLE asked AS SELECT 'a' AS key, TIMESTAMP '2013-01-02' AS event_timestamp")
    ((key, x, n),) = connection.execute(point_in_time([view], {}, "asked", ["entity.key"])).fetchall()
    assert (key, n) == ("a", 3)
    assert x != x, "NaN, as a missing float is"


@pytest.mark.parametrize("entity", ["5::BIGINT", "5::SMALLINT", "'5'", "5.0::DOUBLE"])
@pytest.mark.parametrize("key", ["5::BIGINT", "'5'", "5.0::DOUBLE", "5::DECIMAL(9, 0)"])
def test_a_key_is_found_whatever_its_type_is_on_either_side(entity: str, key: str, tmp_path: Path) -> None:
    path, view = tmp_path / "v.parquet", View(name="v", keys=("k",), features=(Feature(name="x"),))
    duckdb.sql(f"SELECT {key} AS k, TIMESTAMP '2013-01-01' AS event_timestamp, 0.5::DOUBLE AS x").write_parquet(str(path))
    asked = f"(SELECT unnest([{entity}, NULL]) AS k, TIMESTAMP '2013-01-02' AS event_timestamp)"
    found = duckdb.sql(point_in_time([view], {"v": [str(path)]}, asked, ["entity.k IS NOT NULL AS known"])).fetchall()
    assert [x for known, x in found if known] == [0.5]
