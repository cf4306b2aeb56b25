"""The stream's values are the batch's, at every watermark, in whatever order events come and whenever it is killed."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.core.spec import FeatureSet, ModelSpec, PartitionOwner
from include.event_log.port import Event
from include.features.streams.engine import StreamEngine
from tests.support.event_logs import CARD, DAY, HOURS, MemoryLog, card_spec, in_batches, newest_of_batch, payment
from tests.support.memory_store import MemoryStore

NOON = datetime.combine(DAY, datetime.min.time()) + timedelta(hours=22)
CARDS = [f"c{number}" for number in range(12)]


def drawn(seed: int, count: int, parts: int) -> tuple[MemoryLog, list[Event]]:
    """Payments of six hours around midnight, a little out of order, 2 in 100 of them up to 50 minutes late."""
    chance, log = random.Random(seed), MemoryLog({"payments": parts})
    moments = sorted(NOON + timedelta(seconds=chance.randrange(6 * 3600)) for _ in range(count))
    waits = [chance.random() * 20 + (chance.random() < 0.02) * chance.random() * 3000 for _ in moments]
    events = []
    for place in sorted(range(count), key=lambda n: (moments[n] - NOON).total_seconds() + waits[n]):
        card = chance.choice(CARDS)
        events.append(log.send("payments", payment(card, moments[place], chance.randrange(1000)), hash_of(card) % parts))
    return log, events


def hash_of(card: str) -> int:
    return int(card[1:])


def read(store: MemoryStore, view: object) -> dict[str, dict[str, object]]:
    found = store.read_stamped("card_fraud", view, [(card,) for card in CARDS])  # type: ignore[arg-type]
    return {
        card: {"card": card, "event_timestamp": row.event_timestamp, **row.values}
        for card, row in zip(CARDS, found, strict=True)
        if row is not None
    }


def check(spec: ModelSpec, store: MemoryStore, engine: StreamEngine, seen: list[dict[str, object]]) -> None:
    watermark = datetime.fromisoformat("1970-01-01") + timedelta(microseconds=engine.watermark)
    for view in (CARD, HOURS):
        assert read(store, view) == newest_of_batch(spec, seen, view, watermark), (view.name, watermark)


@pytest.mark.thorough
@pytest.mark.parametrize(("seed", "parts", "key", "hours"), [(1, 3, "card", 24), (2, 1, "", 24), (3, 2, "card", 1)])
def test_the_values_online_are_the_batchs_at_every_watermark(tmp_path: Path, seed: int, parts: int, key: str, hours: int) -> None:
    spec = card_spec(timedelta(hours=hours), key=key)
    _, events = drawn(seed, 600, parts)
    engine, store, seen = StreamEngine(spec, tmp_path), MemoryStore(), []
    for part in range(parts):
        engine.begin(("payments", part), None, 0)
    for batch in in_batches(events, 47):
        taken = engine.take(batch)
        assert not taken.poison
        for due in taken.due:
            store.write("card_fraud", due.view, due.newest, NOON)
        engine.written()
        seen += [json.loads(event.value) for event in batch]
        check(spec, store, engine, seen)
    engine.close()


def test_a_feature_sets_views_are_computed_as_a_models_are(tmp_path: Path) -> None:
    model = card_spec(timedelta(hours=24), key="card")
    features = {"build": model.features.build, "views": model.features.views}
    shared = FeatureSet(
        name="cards", owner="payments", description="what cards do", data=model.data, features=features,
        expectations=model.expectations, streams=model.streams,
    )  # fmt: skip
    _, events = drawn(4, 120, 1)

    def due(owner: PartitionOwner) -> list[tuple[str, list[dict[str, object]]]]:
        engine = StreamEngine(owner, tmp_path)
        engine.begin(("payments", 0), None, 0)
        found = [(each.view.name, each.newest.to_pylist()) for each in engine.take(events).due]
        engine.close()
        return found

    assert due(shared) == due(model)
    assert [name for name, rows in due(shared) if rows]
