"""Row: a stream, from its events to rows online and in the offline log, and from requests to answers. Each once."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from include.core.scratch import scratch_folder
from include.event_log.poison import kept
from include.features.streams.engine import StreamEngine
from include.streaming.answers import AnswerLoop, id_of
from include.streaming.loop import Limits, StreamLoop
from include.streaming.sink import Sink
from include.streaming.telemetry import StreamMetrics
from operators.hooks import open_services
from tests.chaos.protocol import (
    Absent,
    Backends,
    Call,
    Cell,
    Clear,
    Cut,
    Deferred,
    Done,
    Down,
    Finding,
    Lose,
    Overlap,
    Pause,
    State,
    Variant,
    kills,
)
from tests.chaos.steps.common import Holdings, OperatorStep, compare
from tests.chaos.world import World
from tests.support.event_logs import CARD, DAY, HOURS, card_spec, payment
from tests.support.file_log import FileConsumer, FileLog

OWNER = "card_fraud"
CARDS = [f"c{number}" for number in range(6)]
PLACES = {"stream": [("payments", 0), ("payments", 1)], "answers": [("requests", 0), ("requests", 1)]}
START = datetime.combine(DAY, datetime.min.time()) + timedelta(hours=22)
BEFORE = ("stream.write",)
MIDDLE = ("stream.written", "stream.kept", "storage.create.temporary", "stream.answered")
UNRECORDED = ("stream.commit",)
RECORDED = ("stream.committed", "stream.answers.committed")
OUTSIDE_LOCKS = (*BEFORE, *MIDDLE, *UNRECORDED, *RECORDED)
REDIS = Backends(online="redis")


class Predictor:
    """Says each request's id again."""

    def answer(self, bodies: Sequence[bytes]) -> Sequence[tuple[int, bytes]]:
        return [(200, json.dumps({"id": id_of(body)}).encode()) for body in bodies]


class Stream(OperatorStep):
    name = "stream"
    title = "a stream: events to rows, requests to answers"
    promise = (
        "online and in the offline log are the batch's values; every request has one answer; what cannot be read is set aside"
    )
    tasks = ("stream", "answers")
    cells: Mapping[str, Cell] = {
        "F1": kills(BEFORE, REDIS),
        "F2": kills(UNRECORDED, REDIS),
        "F3": kills(MIDDLE, REDIS),
        "F4": kills(RECORDED, REDIS),
        "F5": (Variant(Cut("online"), REDIS, ("stream",)), Variant(Lose((*BEFORE, *MIDDLE, *RECORDED)))),
        "F6": Absent("a full disk is waited for, and nothing read meanwhile: tests/unit/streaming/test_loop.py"),
        "F7": (Variant(Pause(OUTSIDE_LOCKS)), Variant(Pause(OUTSIDE_LOCKS), REDIS)),
        "F8": (Variant(Overlap(OUTSIDE_LOCKS)), Variant(Overlap(OUTSIDE_LOCKS), REDIS)),
        "F9": (Variant(Clear()), Variant(Clear(), REDIS)),
        "F10": (Variant(Down("online"), REDIS, ("stream",)),),
    }

    def prepare(self, world: World) -> dict[str, Any]:
        """Payments of three hours, some late, one that nobody can read; requests, one of them sent twice."""
        log, chance = FileLog(_path()), random.Random(5)
        for number in range(240):
            at = START + timedelta(seconds=45 * number)
            late = timedelta(seconds=chance.randrange(2400)) if chance.random() < 0.05 else timedelta()
            card = chance.choice(CARDS)
            log.send("payments", payment(card, at - late, chance.randrange(1000)), int(card[1:]) % 2)
            if number == 100:
                log.send("payments", b"{", 1)
        for number in (*range(60), 7):
            log.send("requests", {"id": f"r{number}"}, number % 2)
        return {}

    def run(self, world: World, call: Call) -> Done | Deferred:
        services, limits = open_services(), Limits(batch=40, wait=0.0, flush=0.0, until_end=True)
        consumer = FileConsumer(_path(), PLACES[call.task], "answers")
        metrics = StreamMetrics(OWNER)
        if call.task == "answers":
            AnswerLoop(OWNER, consumer, consumer, Predictor(), metrics, limits).run(lambda: False, until_end=True)
            return Done(None)
        with scratch_folder(services.settings.scratch()) as scratch:
            engine = StreamEngine(card_spec(), scratch)
            sink = Sink(OWNER, services.online_store, services.storage, {view.name: [view] for view in (CARD, HOURS)})
            StreamLoop(OWNER, engine, consumer, sink, metrics, limits, whole=False).run(lambda: False, until_end=True)
            engine.close()
        return Done(None)

    def state(self, world: World, runs: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        services, log = holdings.services, FileLog(_path())
        keys = [(card,) for card in CARDS]
        online = {
            view.name: [
                [card, str(row.event_timestamp), row.values] if row else [card]
                for card, row in zip(CARDS, services.online_store.read_stamped(OWNER, view, keys), strict=True)
            ]
            for view in (CARD, HOURS)
        }
        answers = Counter(json.loads(value)["id"] for value in log.read("answers"))
        return {
            "strays": holdings.strays(),
            "online": online,
            "offline": _offline(services.storage),
            "set aside": [[row["topic"], row["partition"], row["offset"]] for row in kept(services.storage, OWNER)],
            "answers": dict(sorted(answers.items())),
            "positions": log.positions(),
        }

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare(twin, seen)
        twice = [name for name, count in seen["answers"].items() if count != 1]
        return [*findings, *(Finding("doubled", f"{name} was answered {seen['answers'][name]} times") for name in twice)]


def _path() -> Path:
    home = open_services().settings.home
    home.mkdir(parents=True, exist_ok=True)
    return home / "event-log.db"


def _offline(storage: Any) -> list[list[Any]]:
    """As it is read: of one key and event time what was written last."""
    rows: dict[tuple[str, datetime], tuple[datetime, int]] = {}
    for path in storage.list(f"pushed/{OWNER}/{HOURS.name}"):
        for row in pq.read_table(storage.uri(path)).to_pylist():
            name = row["card"], row["event_timestamp"]
            told = row["created_timestamp"], row["hour_payments"]
            rows[name] = max(rows.get(name, told), told)
    return [[card, str(at), value] for (card, at), (_, value) in sorted(rows.items())]


STEP = Stream()
