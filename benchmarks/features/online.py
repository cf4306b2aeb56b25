"""Online reads in process: four views of one entity, and of a hundred, beside the raw read of the same keys.

The raw read is what the store's own driver needs for these keys: one SELECT, one MGET. Ours adds making the keys,
the time to live, decoding the values and naming them. Times are of single calls; the two take turns, so that a busy
machine troubles both alike.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import redis

from benchmarks.features.line import Line
from benchmarks.features.stores import online_stores
from include.backends.sqlite.online_store import CACHE_KIB
from include.core.spec import Feature, View
from include.online_store.layout import Layout
from include.online_store.open import open_online

ENTITIES, CALLS, ROUNDS = 20_000, 1_000, 6
GOAL_P99, GOAL_OVER = 5.0, 1.0  # milliseconds
DAY = datetime.fromisoformat("2013-03-01")
VIEWS = tuple(
    View(name=f"view_{letter}", keys=(f"key_{letter}",), features=tuple(Feature(name=f"{letter}_{n}") for n in range(6)), ttl=ttl)
    for letter, ttl in zip("abcd", (None, timedelta(days=30), timedelta(days=30), None), strict=True)
)


def run() -> list[Line]:
    with TemporaryDirectory() as scratch, online_stores(Path(scratch)) as urls:
        return [line for name, url in urls.items() for many in (1, 100) for line in reads(name, url, many)]


def reads(name: str, url: str, many: int) -> list[Line]:
    """The round of calls that the machine disturbed least."""
    store = open_online(url)
    if not store.count("bench", VIEWS[0]):
        fill(store)
    raw, chance = raw_reader(url), random.Random(1)
    rounds = [one_round(store, raw, chance, many, CALLS if many == 1 else CALLS // 5) for _ in range(ROUNDS + 1)][1:]
    p50, p99, raw50, raw99 = (min(each[place] for each in rounds) for place in range(4))
    what = f"4 views of {many} entit{'y' if many == 1 else 'ies'}, {name}"
    goal = f"<= {GOAL_OVER:.0f} ms over"
    return [
        Line(f"{what}: p99", f"{p99:.3f} ms", f"< {GOAL_P99:.0f} ms", bool(p99 < GOAL_P99)),
        Line(f"{what}: p50 over the raw {raw50:.3f}", f"{p50 - raw50:+.3f} ms", goal, bool(p50 - raw50 <= GOAL_OVER)),
        Line(f"{what}: p99 over the raw {raw99:.3f}", f"{p99 - raw99:+.3f} ms", goal, bool(p99 - raw99 <= GOAL_OVER)),
    ]


def one_round(store: Any, raw: Callable[[list[str]], None], chance: random.Random, many: int, calls: int) -> tuple[float, ...]:
    """p50 and p99 of ours and of the raw read, milliseconds, over calls that take turns."""
    ours, bare = [], []
    for _ in range(calls):
        entities = [{f"key_{letter}": f"K{chance.randrange(ENTITIES):06d}" for letter in "abcd"} for _ in range(many)]
        keys = [layout.entity_key(entity) for entity in entities for layout in LAYOUTS]
        bare.append(timed(raw, keys))
        ours.append(timed(answer, store, entities))
    return (*np.percentile(ours, [50, 99]), *np.percentile(bare, [50, 99]))


def answer(store: Any, entities: Sequence[dict[str, str]]) -> None:
    found = (
        store.read_entities("bench", VIEWS, entities, DAY)
        if len(entities) > 1
        else [store.read_entity("bench", VIEWS, entities[0], DAY)]
    )
    if any(len(values) != 24 for values in found):
        raise RuntimeError("a feature is missing")


def timed(call: Callable[..., None], *arguments: Any) -> float:
    """Milliseconds."""
    started = time.perf_counter_ns()
    call(*arguments)
    return (time.perf_counter_ns() - started) / 1e6


LAYOUTS = [Layout.of("bench", view) for view in VIEWS]


def fill(store: Any) -> None:
    chance = np.random.default_rng(1)
    for view in VIEWS:
        values = {feature.name: chance.normal(size=ENTITIES) for feature in view.features}
        keys = {view.keys[0]: [f"K{n:06d}" for n in range(ENTITIES)]}
        times = pa.array([DAY] * ENTITIES, pa.timestamp("us"))
        store.write("bench", view, pa.table({**keys, "event_timestamp": times, **values}), DAY)


def raw_reader(url: str) -> Callable[[list[str]], None]:
    """The driver's own read of some keys, whose values it throws away."""
    if url.startswith("redis"):
        client = redis.Redis.from_url(url)

        def mget(keys: list[str]) -> None:
            client.mget(keys)

        return mget
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # as ours

    def select(keys: list[str]) -> None:
        marks = ",".join("?" * len(keys))
        connection.execute(f"SELECT key, event, created, payload FROM feature_rows WHERE key IN ({marks})", keys).fetchall()

    return select
