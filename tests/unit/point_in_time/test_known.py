"""One definition of the newest known value: training, history, replay, batch scoring and serving against one plain account,
on views that change rarely, of which some values arrive late."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request, Result
from include.core.settings import Settings
from include.core.spec import Feature, Features, View
from include.core.task import Task, perform
from include.features.skew.comparison import compare
from include.online_store.open import open_online
from include.point_in_time.known import first_reach, known_files, reach
from include.point_in_time.partition import results
from include.scoring.rows import rows_of_day

Row = dict[str, Any]
FIRST, DAYS = date(2013, 1, 1), 12
AS_OF = datetime.fromisoformat("2013-01-13")
LABEL = "kept"
# `genre` changes hardly ever; of `level` values arrive up to four days late; `mood` is forgotten after a day and a half.
VIEWS = (
    View(name="genre", keys=("item",), features=(Feature(name="kind", dtype="category"), Feature(name="year", dtype="int"))),
    View(name="level", keys=("person",), features=(Feature(name="points"),), created="arrived"),
    View(name="mood", keys=("person",), features=(Feature(name="joy", default=0.5),), ttl=timedelta(hours=36)),
)
FEATURES = Features(build="a.b:c", entities="a.b:d", labels="a.b:e", views=VIEWS, request=())
PEOPLE, ITEMS = range(6), range(9)


def day_of(number: int) -> date:
    return FIRST + timedelta(days=number)


def at(chance: random.Random, day: date) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=chance.randrange(24 * 60))


def rows_of(view: View, day: date) -> list[Row]:
    """What became known of a view on a day. Of `genre` and `level` most on the first three."""
    chance, early = random.Random(f"{view.name} {day}"), day < day_of(3)
    found: dict[tuple[Any, ...], Row] = {}
    for _ in range(9 if early or view.name == "mood" else 1):
        known = at(chance, day)
        if view.name == "genre":
            row: Row = {"item": chance.choice(ITEMS), "event_timestamp": known, "kind": chance.choice("abc"), "year": known.day}
        elif view.name == "level":
            event = known - timedelta(hours=chance.choice([0, 0, 1, 90]))
            row = {"person": chance.choice(PEOPLE), "event_timestamp": event, "points": chance.random(), "arrived": known}
        else:
            row = {"person": chance.choice(PEOPLE), "event_timestamp": known, "joy": chance.choice([None, chance.random()])}
        found[row[view.keys[0]], row["event_timestamp"]] = row
    return list(found.values())


def asked_on(day: date) -> list[Row]:
    chance = random.Random(f"asked {day}")
    return [
        {
            "request_id": f"{day}-{n}",
            "event_timestamp": at(chance, day),
            "item": chance.choice([*ITEMS, 99]),
            "person": chance.choice(PEOPLE),
        }
        for n in range(25)
    ]


def expected(view: View, row: Row) -> Row:
    """Of every row there ever was that was known by then the newest, if it is not too old: quadratic and obvious."""
    t, key = row["event_timestamp"], view.keys[0]
    every = [each for n in range(DAYS) for each in rows_of(view, day_of(n)) if each[key] == row[key]]
    past = [each for each in every if max(each["event_timestamp"], each.get("arrived", each["event_timestamp"])) <= t]
    newest = max(past, key=lambda each: (each["event_timestamp"], each.get("arrived")), default={})
    if newest and view.ttl is not None and newest["event_timestamp"] < t - view.ttl:
        newest = {}
    return {f.name: f.default if newest.get(f.name) is None else newest[f.name] for f in view.features}


def known_to(row: Row) -> Row:
    return {name: value for view in VIEWS for name, value in expected(view, row).items()}


def plain(row: Row, names: tuple[str, ...] = tuple(f.name for f in FEATURES.inputs)) -> Row:
    return {name: None if isinstance(row[name], float) and math.isnan(row[name]) else row[name] for name in names}


class World:
    """Days published by hand into a ledger."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings.from_env({"SLIPSTREAM_HOME": str(home)})
        self.ledger, self.folder = Ledger(self.settings.storage()), home / "made"

    def publish(self, day: date, versions: dict[str, str] | None = None) -> Ref:
        folder = self.folder / str(day)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {view.name: pa.Table.from_pylist(rows_of(view, day), schema=schema_of(view)) for view in VIEWS}
        tables["entities"] = pa.Table.from_pylist(asked_on(day))
        tables["labels"] = pa.Table.from_pylist(
            [
                {"request_id": row["request_id"], LABEL: n % 2, "label_timestamp": row["event_timestamp"] + timedelta(hours=1)}
                for n, row in enumerate(asked_on(day))
            ]
        )
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        value = {"day": str(day), "versions": versions or {view.name: "v1" for view in VIEWS}, "definitions": {}}
        request = Request("features", "a.b:c", "toy", {"day": str(day), "versions": value["versions"]})
        files = {f"{name}.parquet": folder / f"{name}.parquet" for name in tables}
        return self.ledger.ref(
            self.ledger.result(request.key)
            or self.ledger.commit(request, self.ledger.open_attempt(request.key, 0), Outcome(value, files), 0.0)
        )

    def days(self, **versions: dict[str, str]) -> dict[str, Ref]:
        return {str(day_of(n)): self.publish(day_of(n), versions.get(f"day_{n}")) for n in range(DAYS)}

    def training_set(self, refs: dict[str, Ref], as_of: datetime = AS_OF, window_days: int = 4) -> Result:
        params = {
            "as_of": as_of.isoformat(), "window_days": window_days, "holdout_days": 1, "minimum_rows": 10,
            "features": FEATURES.model_dump(mode="json"), "label": LABEL,
        }  # fmt: skip
        request = Request("training_set", "include.features.training_set_step:run", "toy", params, refs)
        return perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)

    def rows(self, result: Result) -> list[Row]:
        paths = [self.ledger.storage.uri(result.files[f"{name}.parquet"].path) for name in ("train", "holdout")]
        return [row for path in paths for row in pq.read_table(path).to_pylist()]

    def task(self, refs: dict[str, Ref], workdir: Path) -> Task:
        workdir.mkdir()
        request = Request("score", "a.b:c", "toy", {}, refs)
        return Task(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings, workdir)


def schema_of(view: View) -> pa.Schema:
    types = {"float": pa.float64(), "int": pa.int64(), "category": pa.string()}
    times = ["event_timestamp", *([view.created] if view.created else [])]
    return pa.schema(
        [
            *((key, pa.int64()) for key in view.keys),
            *((name, pa.timestamp("us")) for name in times),
            *((f.name, types[f.dtype]) for f in view.features),
        ]
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="module")
def refs(world: World) -> dict[str, Ref]:
    return world.days()


@pytest.mark.parametrize(("as_of", "window_days"), [(AS_OF, 4), (datetime.fromisoformat("2013-01-12T13:00"), 3), (AS_OF, 400)])
def test_a_training_set_knows_what_was_known_before_its_window(
    world: World, refs: dict[str, Ref], as_of: datetime, window_days: int
) -> None:
    days = {day: ref for day, ref in refs.items() if day < str(as_of.date())}
    rows = world.rows(world.training_set(days, as_of, window_days))
    assert [plain(row) for row in rows] == [plain(known_to(row)) for row in rows]
    early = [
        row
        for row in rows
        if row["event_timestamp"] < max(as_of - timedelta(days=window_days - 1), datetime.fromisoformat("2013-01-09"))
    ]
    assert sum(row["kind"] is not None for row in early) > len(early) / 2, "or this shows little"


def test_batch_scoring_reads_the_same(world: World, refs: dict[str, Ref], tmp_path: Path) -> None:
    (table,) = rows_of_day(world.task(refs, tmp_path / "work"), FEATURES, day_of(9))
    rows = table.to_pylist()
    assert len(rows) == len(asked_on(day_of(9)))
    assert [plain(row) for row in rows] == [plain(known_to(row)) for row in rows]


def test_the_skew_check_finds_no_difference_to_it(world: World, refs: dict[str, Ref], tmp_path: Path) -> None:
    """What is served is the account's; the replay of three days agrees with it, and holds nothing for unpublished."""
    start = datetime.combine(day_of(8), time())
    served = [
        {"_place": n, **row, **known_to(row)} for n, row in enumerate(row for d in (8, 9, 10) for row in asked_on(day_of(d)))
    ]
    found = known_files(world.ledger, VIEWS, results(world.ledger, refs), start, tmp_path, ("entities",))
    files = {**found.days, **{view.name: found.of_view(view.name) for view in VIEWS}}
    with duckdb.connect() as connection:
        types = pa.schema([("_place", pa.int64()), ("request_id", pa.string()), *(
            field for view in reversed(VIEWS) for field in schema_of(view) if field.name != view.created
        )])  # fmt: skip
        connection.register("rows", pa.table({name: [row[name] for row in served] for name in dict.fromkeys(types.names)}))
        connection.execute("CREATE TABLE served AS SELECT * FROM rows")
        findings = compare(connection, FEATURES, files)
    assert {each.feature: (each.mismatched, each.stale, each.unpublished) for each in findings} == {
        feature.name: (0, 0, 0) for feature in FEATURES.inputs
    }
    assert all(each.compared == len(served) for each in findings)


def test_serving_answers_the_same(world: World, tmp_path: Path) -> None:
    """Every row is pushed when it becomes known; of one moment the push comes before the question."""
    del world
    store = open_online(f"sqlite:///{tmp_path}/online.db")
    moments: list[tuple[datetime, int, Callable[[], None]]] = []
    seen: list[tuple[Row, Row]] = []
    for day in map(day_of, range(DAYS)):
        for view in VIEWS:
            for row in rows_of(view, day):
                known, table = row.get("arrived", row["event_timestamp"]), pa.Table.from_pylist([row], schema=schema_of(view))
                kept = table.drop_columns([view.created] if view.created else [])
                moments.append((known, 0, lambda view=view, kept=kept, known=known: store.write("toy", view, kept, known)))
        for row in asked_on(day):
            moments.append((row["event_timestamp"], 1, lambda row=row: seen.append((row, _read(store, row)))))
    for _, _, act in sorted(moments, key=lambda each: each[:2]):
        act()
    defaults = {f.name: f.default for f in FEATURES.inputs}
    answers = [{name: defaults[name] if value is None else value for name, value in answer.items()} for _, answer in seen]
    assert answers == [plain(known_to(row)) for row, _ in seen]


def _read(store: Any, row: Row) -> Row:
    entity = {"item": row["item"], "person": row["person"]}
    found = store.read_entity("toy", VIEWS, entity, row["event_timestamp"])
    return {feature.name: found.get(feature.name) for feature in FEATURES.inputs}


def test_only_days_within_reach_are_read_and_of_those_before_the_window_no_entities(
    world: World, refs: dict[str, Ref], tmp_path: Path
) -> None:
    start = datetime.combine(day_of(8), time(6))
    found = known_files(world.ledger, VIEWS, results(world.ledger, refs), start, tmp_path)
    assert {name: len(paths) for name, paths in found.before.items()} == {"genre": 8, "level": 8, "mood": 2}
    assert {name: len(paths) for name, paths in found.days.items()} == dict.fromkeys((*found.before, "entities", "labels"), 4)


@pytest.mark.parametrize(
    ("ttl", "first"),
    [
        (None, "0001-01-01"),
        (timedelta(hours=6), "2013-01-09"),
        (timedelta(hours=6, microseconds=1), "2013-01-08T23:59:59.999999"),
        (timedelta(days=10**6), "0001-01-01"),
        (timedelta.max, "0001-01-01"),
    ],
)
def test_how_far_a_view_reaches(ttl: timedelta | None, first: str) -> None:
    start = datetime.fromisoformat("2013-01-09T06:00")
    view = VIEWS[0].model_copy(update={"ttl": ttl})
    assert reach(view, start) == datetime.fromisoformat(first)
    assert first_reach([view, VIEWS[2]], start) == min(datetime.fromisoformat(first), start - VIEWS[2].ttl)
    assert first_reach([], start) == start


OTHER = {"genre": "v2", "level": "v1", "mood": "v1"}


def test_days_before_the_window_of_another_version_are_refused(world: World, tmp_path: Path) -> None:
    """Neither model nor batch may mix two definitions, nor forget without a word what the older one knew."""
    mixed = world.days(day_2=OTHER)
    with pytest.raises(DataError, match=r"(?s)more than one version of \['genre'\].*2013-01-03.*backfill"):
        world.training_set(mixed)
    with pytest.raises(DataError, match=r"more than one version of \['genre'\]"):
        next(rows_of_day(world.task(mixed, tmp_path / "work"), FEATURES, day_of(9)))


def test_days_that_a_view_does_not_reach_may_be_of_another_version(world: World, refs: dict[str, Ref]) -> None:
    mixed = world.days(day_2={"genre": "v1", "level": "v1", "mood": "v2"})
    assert mixed != refs
    assert world.training_set(mixed).value["views"] == {view.name: "v1" for view in VIEWS}


def test_the_skew_check_leaves_out_days_of_another_version(world: World, tmp_path: Path) -> None:
    mixed = results(world.ledger, world.days(day_2=OTHER, day_9=OTHER))
    start, present = datetime.combine(day_of(8), time()), {view.name: "v1" for view in VIEWS}
    found = known_files(world.ledger, VIEWS, mixed, start, tmp_path, ("entities",), present)
    assert [len(found.of_view(name)) for name in ("genre", "level", "mood")] == [10, 12, 6]
