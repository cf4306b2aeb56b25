"""One suite for every online store."""

from __future__ import annotations

import math
import multiprocessing
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from benchmarks.features.convergence import series
from include.core.errors import SpecError, UnreachableError
from include.core.spec import Feature
from include.online_store.open import open_online
from include.online_store.store import OnlineStore
from tests.contract.online_rows import DAY, HOUR, PLANE, ROUTE, plane, routes


def test_reads_back_what_was_written_in_the_order_asked(store: OnlineStore) -> None:
    rows = routes(("JFK", "LAX", DAY, 0.25, "ok", 150), ("EWR", "ORD", DAY, math.nan, None, None))
    assert store.write("m", ROUTE, rows, DAY) == 2
    got = store.read("m", ROUTE, [("EWR", "ORD"), ("LGA", "ATL"), ("JFK", "LAX")])
    assert got == [{"rate": None, "note": None, "seats": None}, None, {"rate": 0.25, "note": "ok", "seats": 150}]
    assert isinstance(got[2]["seats"], int)  # type: ignore[index]
    assert store.event_times("m", ROUTE, [("JFK", "LAX"), ("LGA", "ATL")]) == [DAY, None]


def test_an_older_event_never_replaces_a_newer_one(store: OnlineStore) -> None:
    assert store.write("m", ROUTE, routes(("JFK", "LAX", DAY + HOUR, 0.9, None, None)), DAY) == 1
    assert store.write("m", ROUTE, routes(("JFK", "LAX", DAY, 0.1, None, None)), DAY + 9 * HOUR) == 0
    assert store.read("m", ROUTE, [("JFK", "LAX")])[0]["rate"] == 0.9  # type: ignore[index]


def test_a_correction_of_the_same_event_lands_and_a_late_older_result_does_not(store: OnlineStore) -> None:
    def rate(value: float, created: datetime) -> int:
        return store.write("m", ROUTE, routes(("JFK", "LAX", DAY, value, None, None)), created)

    assert [rate(0.1, DAY), rate(0.2, DAY + HOUR), rate(0.2, DAY + HOUR), rate(0.1, DAY)] == [1, 1, 0, 0]
    assert store.read("m", ROUTE, [("JFK", "LAX")])[0]["rate"] == 0.2  # type: ignore[index]


@pytest.mark.parametrize("year", [1653, 1900, 1969, 1970, 2286])
def test_an_event_of_any_year_is_kept_and_in_order(store: OnlineStore, year: int) -> None:
    event = datetime.fromisoformat(f"{year}-12-31")
    for at, value in ((event, 0.1), (event + HOUR, 0.2), (event, 0.3)):
        store.write("m", PLANE, pa.table({"tailnum": ["N1"], "event_timestamp": pa.array([at], pa.timestamp("us")),
                                          "year": [value]}), max(at, DAY))  # fmt: skip
    assert store.event_times("m", PLANE, [("N1",)]) == [event + HOUR]
    assert store.read("m", PLANE, [("N1",)]) == [{"year": 0.2}]


def test_of_several_rows_of_one_key_the_newest_stays(store: OnlineStore) -> None:
    rows = routes(*[("JFK", "LAX", DAY + n * HOUR, float(n), None, None) for n in (2, 5, 1)])
    assert store.write("m", ROUTE, rows, DAY) == 1
    assert store.read("m", ROUTE, [("JFK", "LAX")])[0]["rate"] == 5.0  # type: ignore[index]


def test_rows_without_a_key_are_left_out_and_an_empty_table_writes_nothing(store: OnlineStore) -> None:
    assert store.write("m", ROUTE, routes((None, "LAX", DAY, 0.1, None, None)), DAY) == 0
    assert store.write("m", ROUTE, routes(), DAY) == 0
    assert store.read("m", ROUTE, []) == []


def test_counts_each_view_of_each_model_apart(store: OnlineStore) -> None:
    rows = routes(*[("JFK", f"D{n}", DAY, 0.1, None, None) for n in range(1200)])
    assert store.write("m", ROUTE, rows, DAY) == 1200
    store.write("m2", ROUTE, rows.slice(0, 3), DAY)
    assert [store.count("m", ROUTE), store.count("m2", ROUTE), store.count("m", PLANE)] == [1200, 3, 0]
    assert all(store.read("m", ROUTE, [("JFK", f"D{n}") for n in range(1200)]))


@pytest.mark.parametrize("pair", [("a:b", "c"), ('a","b', "c"), ("", "é"), ("a*", "[x]")])
def test_keys_may_hold_any_text_without_colliding(store: OnlineStore, pair: tuple[str, str]) -> None:
    store.write("m", ROUTE, routes((*pair, DAY, 0.5, None, None)), DAY)
    others = [("a", "b:c"), ("a", 'b","c'), ("é", ""), ("ax", "x")]
    assert store.read("m", ROUTE, [pair]) == [{"rate": 0.5, "note": None, "seats": None}]
    assert store.read("m", ROUTE, others) == [None] * 4


def test_an_entity_gets_the_features_of_all_its_views_and_absent_ones_stay_absent(store: OnlineStore) -> None:
    plane = pa.table({"tailnum": ["N1"], "event_timestamp": pa.array([DAY], pa.timestamp("us")), "year": [1999.0]})
    store.write("m", ROUTE, routes(("JFK", "LAX", DAY, 0.25, "ok", 2)), DAY)
    store.write("m", PLANE, plane, DAY)
    entity = {"origin": "JFK", "dest": "LAX", "tailnum": "N1", "hour": 5}
    assert store.read_entity("m", (ROUTE, PLANE), entity) == {"rate": 0.25, "note": "ok", "seats": 2, "year": 1999.0}
    assert store.read_entity("m", (ROUTE, PLANE), {**entity, "tailnum": None}) == {"rate": 0.25, "note": "ok", "seats": 2}
    assert store.read_entity("m", (ROUTE, PLANE), {}) == {}


def test_values_older_than_the_ttl_are_unknown_when_the_time_is_given(store: OnlineStore) -> None:
    store.write("m", ROUTE, routes(("JFK", "LAX", DAY, 0.25, None, None)), DAY)
    entity = {"origin": "JFK", "dest": "LAX"}
    assert store.read_entity("m", (ROUTE,), entity, DAY + 6 * HOUR)["rate"] == 0.25
    assert store.read_entity("m", (ROUTE,), entity, DAY + 6 * HOUR + timedelta(microseconds=1)) == {}


def test_a_tie_is_settled_by_the_values_whichever_comes_first(url: str) -> None:
    left = []
    for first, second in ((0.1, 0.2), (0.2, 0.1)):
        store = open_online(url)
        for value in (first, second):
            store.write(f"m{first}", ROUTE, routes(("JFK", "LAX", DAY, value, "x", 1)), DAY)
        left += store.read(f"m{first}", ROUTE, [("JFK", "LAX")])
    assert left[0] == left[1]


def test_a_creation_time_for_each_row_decides_over_the_one_for_all(store: OnlineStore) -> None:
    rows = routes(("JFK", "LAX", DAY, 0.1, None, None), ("EWR", "ORD", DAY, 0.1, None, None))
    stamps = pa.array([DAY + 2 * HOUR, None], pa.timestamp("us"))
    store.write("m", ROUTE, rows.append_column("created_timestamp", stamps), DAY)
    later = routes(("JFK", "LAX", DAY, 0.2, None, None), ("EWR", "ORD", DAY, 0.2, None, None))
    assert store.write("m", ROUTE, later, DAY + HOUR) == 1
    both = store.read_stamped("m", ROUTE, [("JFK", "LAX"), ("EWR", "ORD")])
    assert [row and (row.created, row.values["rate"]) for row in both] == [(DAY + 2 * HOUR, 0.1), (DAY + HOUR, 0.2)]


def test_writing_back_tells_what_is_online_as_written_and_what_was_newer(store: OnlineStore) -> None:
    store.write("m", ROUTE, routes(("JFK", "LAX", DAY + HOUR, 0.9, None, None)), DAY)
    rows = routes(("JFK", "LAX", DAY, 0.1, None, None), (None, "LAX", DAY, 0.1, None, None), ("EWR", "ORD", DAY, 0.2, "a", 3))
    report = store.write_back("m", ROUTE, rows, DAY)
    assert (report.rows, report.written, report.same, report.newer, report.lost) == (2, 1, (2,), 1, ())
    assert report.without_key == 1


@pytest.mark.parametrize("there", [3, 700, 1499], ids=["in the first batch", "in a later one", "in the last"])
def test_writing_back_many_rows_of_which_some_are_there(store: OnlineStore, there: int) -> None:
    """Rows go in batch by batch, the new ones by a shorter way."""
    names = [f"D{n:04d}" for n in range(1500)]
    newer, older = names[there], names[there - 2]
    store.write("m", ROUTE, routes(("JFK", newer, DAY + HOUR, 0.9, None, None), ("JFK", older, DAY - HOUR, 0.8, None, None)), DAY)
    rows = routes(*[("JFK", name, DAY, n / 2, "é", n) for n, name in enumerate(names)])
    report = store.write_back("m", ROUTE, rows, DAY)
    assert (report.rows, report.written, report.newer, report.lost) == (1500, 1499, 1, ())
    assert report.same == tuple(n for n in range(1500) if n != there)
    assert store.write_back("m", ROUTE, rows, DAY).written == 0
    found = store.read("m", ROUTE, [("JFK", name) for name in names])
    assert [values and values["rate"] for values in found] == [0.9 if n == there else n / 2 for n in range(1500)]


def test_many_entities_are_read_at_once_as_one_by_one(store: OnlineStore) -> None:
    store.write("m", ROUTE, routes(*[("JFK", f"D{n}", DAY + n * HOUR, float(n), None, n) for n in range(0, 1500, 3)]), DAY)
    entities = [{"origin": "JFK", "dest": f"D{n}"} for n in range(1500)]
    views, at = (ROUTE, PLANE), DAY + 1000 * HOUR
    many = store.read_entities("m", views, entities, at)
    assert many == [store.read_entity("m", views, entity, at) for entity in entities]
    assert [bool(values) for values in many[993:1001]] == [False, False, False, True, False, False, True, False]


def test_many_entities_of_whom_some_rows_are_missing_old_or_unknown(store: OnlineStore) -> None:
    """Whole ones are decoded together (also numbers that are NaN), the others each by itself."""
    hours = [("A", 1, 0.5), ("B", -9, 0.25), ("C", 1, None), ("D", 1, 0.75)]  # B's is older than the ttl
    store.write("m", ROUTE, routes(*[("JFK", dest, DAY + h * HOUR, rate, f"né{dest}", h) for dest, h, rate in hours]), DAY)
    tails = {
        "tailnum": ["N1", "N2", "N3"],
        "event_timestamp": pa.array([DAY] * 3, pa.timestamp("us")),
        "year": [1.0, 2.0, math.nan],
    }
    store.write("m", PLANE, pa.table(tails), DAY)
    whole = [{"origin": "JFK", "dest": dest, "tailnum": tail} for dest in "ACD" for tail in ("N1", "N3")]
    some = [{"origin": "JFK", "dest": "B", "tailnum": "N1"}, {"tailnum": "N2"}, {}]
    for entities in (whole, [*some, *whole], [whole[0], *some, whole[1]], some, []):
        for views in ((ROUTE, PLANE), (PLANE,), ()):
            many = store.read_entities("m", views, entities, DAY + HOUR)
            assert many == [store.read_entity("m", views, entity, DAY + HOUR) for entity in entities]
    assert store.read_entities("m", (ROUTE, PLANE), [whole[3], some[0]], DAY + HOUR) == [
        {"rate": None, "note": "néC", "seats": 1, "year": None},
        {"year": 1.0},
    ]


def test_an_entity_is_removed_in_every_view_and_version_and_others_stay(store: OnlineStore) -> None:
    """And of that owner alone. What is written again is there again."""
    former = ROUTE.model_copy(update={"version": "0a1b2c3d"})
    for owner in ("m", "mm"):
        for view in (ROUTE, former):
            store.write(owner, view, routes(("J*K", 'L"A:[', DAY, 0.1, None, None), ("J*K", "ORD", DAY, 0.2, None, None)), DAY)
        store.write(owner, PLANE, plane(DAY), DAY)

    def meant(view: str, keys: Sequence[str | None]) -> bool:
        return view == ROUTE.name and list(keys) == ["J*K", 'L"A:[']

    assert store.remove("m", meant) == 2
    assert store.remove("m", meant) == 0
    for view in (ROUTE, former):
        assert [row is None for row in store.read("m", view, [("J*K", 'L"A:['), ("J*K", "ORD")])] == [True, False]
        assert None not in store.read("mm", view, [("J*K", 'L"A:[')])
    assert store.count("m", PLANE) == 1
    assert store.write("m", ROUTE, routes(("J*K", 'L"A:[', DAY - HOUR, 0.3, None, None)), DAY) == 1


def test_rows_expire_with_their_ttl_and_leave_those_that_do_not(store: OnlineStore) -> None:
    short = ROUTE.model_copy(update={"ttl": timedelta(milliseconds=1) - timedelta(hours=1)})  # the clocks' hour is over
    kept = PLANE.model_copy(update={"ttl": timedelta(days=1)})
    store.write("m", short, routes(("JFK", "LAX", DAY, 0.1, None, None)), DAY)
    store.write("m", kept, plane(DAY), DAY)
    time.sleep(0.02)
    assert store.read("m", short, [("JFK", "LAX")]) == [None]
    assert (store.count("m", short), store.count("m", kept)) == (0, 1)
    store.sweep("m", short)
    assert store.sweep("m", kept) == 0
    assert store.write("m", short, routes(("JFK", "LAX", DAY - HOUR, 0.1, None, None)), DAY) == 1


def test_rows_that_were_written_back_expire_too_also_beside_newer_ones(store: OnlineStore) -> None:
    short = ROUTE.model_copy(update={"ttl": timedelta(milliseconds=100) - timedelta(hours=1)})
    kept = ROUTE.model_copy(update={"ttl": short.ttl, "name": "newer"})
    for view, hour in ((short, 0), (kept, 1)):
        store.write("m", view, routes(("JFK", "LAX", DAY + hour * HOUR, 0.1, None, None)), DAY)
        store.write_back("m", view, routes(("JFK", "LAX", DAY, 0.1, None, None), ("EWR", "ORD", DAY, 0.2, None, None)), DAY)
    time.sleep(0.15)
    assert store.read("m", short, [("JFK", "LAX"), ("EWR", "ORD")]) == [None, None]
    assert store.read("m", kept, [("JFK", "LAX"), ("EWR", "ORD")]) == [None, None]


def test_a_table_of_several_chunks_is_written_back_as_one(store: OnlineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.online_store.packed_store.CHUNK", 3)
    store.write("m", ROUTE, routes(("JFK", "D4", DAY + HOUR, 9.0, None, None)), DAY)
    report = store.write_back("m", ROUTE, routes(*(("JFK", f"D{n}", DAY, float(n), "a" * n, n) for n in range(8))), DAY)
    assert (report.rows, report.written, report.newer, report.lost) == (8, 7, 1, ())
    assert report.same == (0, 1, 2, 3, 5, 6, 7)
    found = store.read("m", ROUTE, [("JFK", f"D{n}") for n in range(8)])
    assert [row["rate"] for row in found if row] == [0.0, 1.0, 2.0, 3.0, 9.0, 5.0, 6.0, 7.0]


def test_knows_the_newest_event_of_each_view(store: OnlineStore) -> None:
    assert store.newest("m", (ROUTE, PLANE)) == [None, None]
    store.write("m", ROUTE, routes(("JFK", "LAX", DAY + HOUR, 0.1, None, None)), DAY)
    store.write("m", ROUTE, routes(("EWR", "ORD", DAY, 0.1, None, None)), DAY)
    assert store.newest("m", (ROUTE, PLANE)) == [DAY + HOUR, None]
    assert store.count("m", ROUTE) == 2


def test_two_versions_of_a_view_lie_side_by_side(store: OnlineStore) -> None:
    old, new = (PLANE.model_copy(update={"version": version}) for version in ("aa", "bb"))
    wider = PLANE.model_copy(update={"features": (*PLANE.features, Feature(name="seats", dtype="int"))})
    for value, view in enumerate((old, new)):
        store.write("m", view, plane(DAY, float(value)), DAY)
    assert [store.read("m", view, [("N1",)])[0] for view in (old, new, PLANE, wider)] == [
        {"year": 0.0},
        {"year": 1.0},
        None,
        None,
    ]


def test_a_view_without_a_version_is_as_fresh_as_the_newest_of_its_versions(store: OnlineStore) -> None:
    old, new = (PLANE.model_copy(update={"version": version}) for version in ("aa", "bb"))
    store.write("m", old, plane(DAY + HOUR), DAY)
    store.write("m", new, plane(DAY), DAY)
    assert store.newest("m", (old, new, PLANE)) == [DAY + HOUR, DAY, DAY + HOUR]


def test_an_entity_is_read_in_two_halves_as_in_one(store: OnlineStore) -> None:
    store.write("m", ROUTE, routes(("JFK", "LAX", DAY, 0.25, "ok", 2)), DAY)
    store.write("m", PLANE, plane(DAY), DAY)
    reader, entity = store.reader("m", (ROUTE, PLANE)), {"origin": "JFK", "dest": "LAX", "tailnum": "N1"}
    keys = [*reader.keys(entity), "a key that nobody made", *reader.keys({**entity, "tailnum": None})]
    rows = store.fetch(keys)
    assert (reader.width, [row is not None for row in rows]) == (2, [True, True, False, True, False])
    for at in (DAY + HOUR, DAY + 7 * HOUR):
        assert reader.values(rows[:2], at) == store.read_entity("m", (ROUTE, PLANE), entity, at)
        assert reader.values(rows[3:], at) == store.read_entity("m", (ROUTE,), entity, at)


def _writer(url: str, seed: int) -> None:
    store, order = open_online(url), list(range(40))
    random.Random(seed).shuffle(order)
    for hour in order:
        rows = [("JFK", f"D{n}", DAY + hour * HOUR, float(hour), None, None) for n in range(20)]
        store.write("m", ROUTE, routes(*rows), DAY + seed * HOUR)


def test_processes_that_write_at_once_in_any_order_leave_the_newest(url: str) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_writer, args=(url, seed)) for seed in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    got = open_online(url).read("m", ROUTE, [("JFK", f"D{n}") for n in range(20)])
    assert [values and values["rate"] for values in got] == [39.0] * 20


@pytest.mark.parametrize("address", ["redis://user:secret@127.0.0.1:1/0", "sqlite:////proc/nowhere/online.db"])
def test_a_store_that_does_not_answer_is_named_without_its_password(address: str) -> None:
    with pytest.raises(UnreachableError, match="SLIPSTREAM_ONLINE_URL") as caught:
        open_online(address).read("m", PLANE, [("N1",)])
    assert "secret" not in str(caught.value)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(SpecError, match="sqlite:///path"):
        open_online("mongodb://here")


def test_random_orders_overlaps_and_kills_leave_what_the_oracle_says(url: str) -> None:
    done = list(series(url, 4))  # a hundred by `make bench AREA=features`
    assert [trial.wrong for trial in done] == [0] * 4
    assert sum(trial.keys for trial in done) > 400
