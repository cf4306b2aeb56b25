"""Killed anywhere, cut off from what it writes to, handed from one process to another: the same rows are there, each once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import ConflictError, DataError, StorageFullError, TransientError, UnreachableError
from include.core.spec import View
from include.core.storage import LocalStorage
from include.event_log.poison import kept
from include.features.streams.engine import StreamEngine
from include.streaming.loop import Limits, StreamLoop
from include.streaming.sink import Sink
from include.streaming.telemetry import StreamMetrics
from tests.support.event_logs import CARD, DAY, HOURS, MemoryConsumer, MemoryLog, card_spec, newest_of_batch, payment
from tests.support.memory_store import MemoryStore

OWNER = "card_fraud"
START = datetime.combine(DAY, datetime.min.time()) + timedelta(hours=22)
CARDS = [f"c{number}" for number in range(8)]


class Killed(BaseException):
    """As a process that is gone: nothing after it happens."""


class World:
    def __init__(self, tmp_path: Path, parts: int = 2, **streams: Any) -> None:
        self.log, self.store, self.storage = MemoryLog({"payments": parts}), MemoryStore(), LocalStorage(tmp_path / "root")
        self.spec, self._folder = card_spec(**streams), tmp_path
        self.sent: list[dict[str, Any]] = []
        self._at = START

    def send(self, count: int, seed: int = 7) -> None:
        chance, parts = random.Random(seed), self.log.partitions["payments"]
        for _ in range(count):
            at = self._at = self._at + timedelta(seconds=chance.randrange(120))
            late = timedelta(seconds=chance.randrange(2400)) if chance.random() < 0.05 else timedelta()
            card = chance.choice(CARDS)
            self.sent.append(payment(card, at - late, chance.randrange(1000)))
            self.log.send("payments", self.sent[-1], int(card[1:]) % parts)

    def loop(self, consumer: MemoryConsumer | None = None, store: Any = None, **limits: Any) -> StreamLoop:
        engine = StreamEngine(self.spec, self._folder / "scratch")
        sink = Sink(OWNER, store or self.store, self.storage, {view.name: [view] for view in (CARD, HOURS)})
        given = Limits(**{"batch": 20, "flush": 0.0, "wait": 0.0, **limits})
        whole = not self.spec.streams.key
        return StreamLoop(OWNER, engine, consumer or MemoryConsumer(self.log), sink, StreamMetrics(OWNER), given, whole=whole)

    def run(self, **given: Any) -> StreamLoop:
        loop = self.loop(**given)
        loop.run(lambda: False, until_end=True)
        return loop

    def online(self, view: View) -> dict[str, dict[str, Any]]:
        found = zip(CARDS, self.store.read_stamped(OWNER, view, [(card,) for card in CARDS]), strict=True)
        return {c: {"card": c, "event_timestamp": row.event_timestamp, **row.values} for c, row in found if row is not None}

    def offline(self) -> list[dict[str, Any]]:
        """As `merged` reads them: of one key and event time the last."""
        files = [self.storage.uri(path) for path in self.storage.list(f"pushed/{OWNER}/hours")]
        rows: dict[tuple[str, datetime], dict[str, Any]] = {}
        found = [row for file in files for row in pq.read_table(file).to_pylist()]
        for row in sorted(found, key=lambda row: row["created_timestamp"]):
            rows[row["card"], row["event_timestamp"]] = row
        return [{key: value for key, value in row.items() if key != "created_timestamp"} for row in rows.values()]

    def check(self, loop: StreamLoop) -> None:
        watermark = datetime.fromisoformat("1970-01-01") + timedelta(microseconds=loop._engine.watermark)
        for view in (CARD, HOURS):
            assert self.online(view) == newest_of_batch(self.spec, self.sent, view, watermark)
        assert sorted(map(str, self.offline())) == sorted(map(str, self.hours_of_batch(watermark)))

    def hours_of_batch(self, watermark: datetime) -> list[dict[str, Any]]:
        counts: dict[tuple[str, datetime], int] = {}
        for each in self.sent:
            at = datetime.fromisoformat(each["paid_at"].rstrip("Z"))
            for hours in (1, 2):
                hour = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
                if hour <= watermark:
                    counts[each["card"], hour] = counts.get((each["card"], hour), 0) + 1
        return [{"card": c, "event_timestamp": at, "hour_payments": n} for (c, at), n in counts.items()]


class KillingStore(MemoryStore):
    def __init__(self, store: MemoryStore, after: int) -> None:
        self._store, self._left = store, after

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        self._left -= 1
        if self._left < 0:
            raise Killed
        return self._store.write(model, view, rows, created)


class KillingConsumer(MemoryConsumer):
    """`before`: killed with nothing committed; else right after."""

    def __init__(self, log: MemoryLog, after: int, *, before: bool) -> None:
        super().__init__(log)
        self._left, self._before = after, before

    def commit(self, positions: Any) -> bool:
        self._left -= 1
        if self._left < 0 and self._before:
            raise Killed
        done = super().commit(positions)
        if self._left < 0:
            raise Killed
        return done


@pytest.mark.thorough
@pytest.mark.parametrize("key", ["card", ""])
def test_ten_kills_at_random_change_nothing(tmp_path: Path, key: str) -> None:
    world, chance = World(tmp_path, key=key), random.Random(3)
    world.send(600)
    for _ in range(10):
        way = chance.randrange(3)
        given: dict[str, Any] = {"store": KillingStore(world.store, chance.randrange(12))}
        if way:
            given = {"consumer": KillingConsumer(world.log, chance.randrange(4), before=way == 1)}
        loop = world.loop(flush=chance.choice([0.0, 1e9]), **given)
        try:
            loop.run(lambda: False, until_end=True)
        except Killed:
            continue
    world.check(world.run())


def test_a_replay_writes_nothing_new(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.send(200)
    world.check(world.run())
    files, online = list(world.storage.list("pushed")), world.online(CARD)
    world.check(world.run())
    assert list(world.storage.list("pushed")) == files
    world.log.committed.clear()  # as --from-start
    world.run()
    assert world.online(CARD) == online


@pytest.mark.thorough
def test_partitions_go_from_one_process_to_another_and_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.send(150)
    ours, theirs = MemoryConsumer(world.log), MemoryConsumer(world.log, [])
    one, other = world.loop(consumer=ours), world.loop(consumer=theirs)
    ours.start(one)
    theirs.start(other)
    for places in ([("payments", 0)], [], [("payments", 0), ("payments", 1)]):
        world.send(100, seed=len(places))
        ours.assign(places)
        theirs.assign([place for place in world.log.places if place not in places])
        while one.step() + other.step():
            pass
        one.flush()
        other.flush()
    world.check(one)


def test_a_reader_that_was_left_behind_overwrites_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, parts=1)
    world.send(100)
    stuck = MemoryConsumer(world.log)
    left = world.loop(consumer=stuck, batch=60, flush=1e9)
    stuck.start(left)
    left.step()  # has read 60 of them, and hears nothing of what follows
    world.send(100, seed=5)
    world.check(world.run())
    online = world.online(CARD)
    stuck.refuse = True
    left.step()
    assert world.online(CARD) == online
    left.flush()
    assert left._mine == set()


@pytest.mark.parametrize("kind", [UnreachableError, StorageFullError])
def test_it_reads_no_further_while_the_store_is_away_or_full(tmp_path: Path, kind: type[TransientError]) -> None:
    world = World(tmp_path)
    world.send(50)
    tries: list[int] = []

    class Away(MemoryStore):
        def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
            tries.append(rows.num_rows)
            if len(tries) < 4:
                raise kind("away")
            return world.store.write(model, view, rows, created)

    consumer = MemoryConsumer(world.log)
    loop = world.run(consumer=consumer, store=Away())
    assert consumer.rests == 3
    assert loop.metrics.value("blocked") == 0
    world.check(loop)


def test_places_that_go_while_it_waits_are_the_next_readers(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.send(50)

    class Away(MemoryStore):
        def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
            raise UnreachableError("away")

    class Taken(MemoryConsumer):
        def rest(self, seconds: float) -> None:
            self.assign([])

    consumer = Taken(world.log)
    loop = world.loop(consumer=consumer, store=Away())
    consumer.start(loop)
    loop.step()
    assert world.log.committed == {}
    world.check(world.run())


def test_an_event_that_cannot_be_read_is_set_aside_and_the_stream_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.send(40)
    bad = [b"{", b'{"card": "c1", "cents": "many", "paid_at": "2024-03-05T22:00:00Z"}', b'{"card": "c1", "cents": 1}', b"\xff"]
    for value in bad:
        world.log.send("payments", value, 1)
    world.log.send("payments", payment("c1", datetime.fromisoformat("2999-01-01"), 5), 1)
    world.log.send("payments", payment("c1", START - timedelta(days=3), 5), 1)
    world.send(40, seed=2)
    loop = world.run()
    world.check(loop)
    rows = list(kept(world.storage, OWNER))
    assert [row["reason"].split(" (")[0].split(":")[0] for row in rows] == [  # type: ignore[union-attr]
        "it cannot be read", "it cannot be read", "it has no 'paid_at'", "it cannot be read",
        "its time is ahead of every clock", "its time is later than the stream waits for",
    ]  # fmt: skip
    assert rows[0]["value"] == "{"
    assert "base64" in rows[3]
    assert (loop.metrics.value("set_aside_total", "late"), loop.metrics.value("set_aside_total", "unreadable")) == (1, 5)
    world.run()
    assert list(kept(world.storage, OWNER)) == rows


def test_a_form_that_changed_stops_the_stream(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.send(40)
    for _ in range(600):
        world.log.send("payments", json.dumps({"card": 7, "amount": 3}).encode(), 0)
    with pytest.raises(DataError, match="has their form changed"):
        world.run(batch=50, flush=1e9)


def test_two_processes_of_a_stream_that_one_must_read_alone(tmp_path: Path) -> None:
    world = World(tmp_path, key="")
    world.send(40)
    with pytest.raises(ConflictError, match="one process alone"):
        world.run(consumer=MemoryConsumer(world.log, [("payments", 0)]))
    ours = MemoryConsumer(world.log)
    loop = world.loop(consumer=ours)
    ours.start(loop)
    loop.step()
    ours.assign([("payments", 0)])  # until the other has given up
    assert loop.step() == 0
    ours.assign(list(world.log.places))
    while loop.step():
        pass
    loop.flush()
    world.check(loop)


def emptied(world: World) -> None:
    world.log.places["payments", 0] = []


def cut(world: World) -> None:
    world.log.lows["payments", 0] = world.log.committed["payments", 0].next + 1
    for _ in range(3):
        world.log.send("payments", payment("c0", START, 1), 0)


def trimmed(world: World) -> None:
    world.log.lows["payments", 0] = world.log.committed["payments", 0].floor + 1


@pytest.mark.parametrize(
    ("change", "words"), [(emptied, "made anew"), (cut, "not read yet"), (trimmed, "rows are still made of")]
)
def test_a_topic_that_lost_what_counts_is_told(tmp_path: Path, change: Callable[[World], None], words: str) -> None:
    world = World(tmp_path)
    world.send(60)
    world.run()
    change(world)
    online = world.online(CARD)
    with pytest.raises(DataError, match=words):
        world.run()
    assert world.online(CARD) == online
    if change is not emptied:
        world.run(accept_gap=True)
    world.run(from_start=True)
