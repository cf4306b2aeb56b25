"""Materializations in random order, overlapping, by four processes at once, some of them killed: what is online in the end?

One trial: a history of materializations of two views (days that overlap, corrections of the same event, ties), dealt
out to four processes, each in an order of its own, many of them twice. In every second trial processes are killed by
SIGKILL somewhere on their way and, as Airflow would, run again. Then every key must hold what the oracle says: the
greatest (event time, creation time, values) ever written.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from include.core.spec import Feature, View
from include.core.time import microseconds
from include.features.online.materialize import materialize_view
from include.online_store.layout import Layout
from include.online_store.open import open_online
from include.online_store.row_codec import pack

DAY = datetime.fromisoformat("2013-03-01")
HOUR = timedelta(hours=1)
KEYS, WRITERS, MATERIALIZATIONS = 60, 4, 14
VIEWS = (
    View(name="rates", keys=("origin", "dest"), features=(Feature(name="rate"), Feature(name="seats", dtype="int"))),
    View(name="grades", keys=("id",), features=(Feature(name="grade", dtype="category"), Feature(name="mean"))),
)
# Seconds in which a writer is killed: somewhere on its way. One of DynamoDB's first makes a client, for a third of a second.
WITHIN = {"sqlite": 0.02, "redis": 0.02, "dynamodb": 1.0}
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Batch:
    view: View
    rows: pa.Table
    created: datetime


@dataclass(frozen=True)
class Trial:
    keys: int
    wrong: int
    killed: int


def history(seed: int) -> list[Batch]:
    chance = random.Random(seed)
    return [_batch(chance) for _ in range(MATERIALIZATIONS)]


def _batch(chance: random.Random) -> Batch:
    """A day's newest values of some keys: of few hours and few creation times, so that many collide."""
    view, created = chance.choice(VIEWS), DAY + chance.randrange(4) * HOUR
    rows: list[dict[str, Any]] = []
    for n in sorted(chance.sample(range(KEYS), chance.randrange(10, KEYS))):
        value = chance.choice([None, float(chance.randrange(100))])
        keys = {"origin": f"O{n % 3}", "dest": f"D{n}"} if view.name == "rates" else {"id": n}
        values = {"rate": value, "seats": chance.randrange(9), "grade": chance.choice(["a", "é", None]), "mean": value}
        rows.append({**keys, **values, "event_timestamp": DAY + chance.randrange(5) * HOUR})
    columns = [*view.keys, "event_timestamp", *(feature.name for feature in view.features)]
    types = {"rate": pa.float64(), "mean": pa.float64(), "grade": pa.string(), "event_timestamp": pa.timestamp("us")}
    arrays = [pa.array([row[name] for row in rows], types.get(name)) for name in columns]
    return Batch(view, pa.table(arrays, names=columns), created)


def oracle(model: str, batches: list[Batch]) -> dict[str, tuple[int, int, bytes]]:
    """Row key to what must be online."""
    best: dict[str, tuple[int, int, bytes]] = {}
    for batch in batches:
        packed = pack(Layout.of(model, batch.view), batch.rows, batch.created)
        for key, event, payload in zip(packed.keys, packed.events, packed.payloads, strict=True):
            row = (event, microseconds(batch.created), payload)
            best[key] = max(best.get(key, row), row)
    return best


def trial(url: str, seed: int) -> Trial:
    """One history into the store behind `url`, under a model name of its own."""
    chance, batches, model = random.Random(f"order {seed}"), history(seed), f"m{seed}"
    shares: list[list[Batch]] = [[] for _ in range(WRITERS)]
    for batch in [*batches, *chance.sample(batches, MATERIALIZATIONS // 2)]:  # overlaps: some are done twice
        shares[chance.randrange(WRITERS)].append(batch)
    for share in shares:
        chance.shuffle(share)
    killed = _run(url, model, shares, chance if seed % 2 else None)
    wanted = oracle(model, batches)
    found = open_online(url).get(list(wanted))  # type: ignore[attr-defined]
    wrong = sum(row != want for row, want in zip(found, wanted.values(), strict=True))
    return Trial(len(wanted), wrong, killed)


def _run(url: str, model: str, shares: list[list[Batch]], killer: random.Random | None) -> int:
    """Run every share to its end, by as many processes; with a killer, two of them die on their way first."""
    workers = [_fork.Process(target=_write, args=(url, model, share)) for share in shares]
    for worker in workers:
        worker.start()
    if killer is not None:
        for worker in killer.sample(workers, 2):
            time.sleep(killer.random() * WITHIN[url.partition("://")[0]])
            worker.kill()  # SIGKILL; silent if it has ended by then
    for worker in workers:
        worker.join(60)
    died = [share for worker, share in zip(workers, shares, strict=True) if worker.exitcode != 0]
    if died and killer is None:
        raise RuntimeError(f"a writer failed: {[worker.exitcode for worker in workers]}")
    return len(died) + (_run(url, model, died, None) if died else 0)


def _write(url: str, model: str, share: list[Batch]) -> None:
    store = open_online(url)
    for batch in share:
        materialize_view(store, model, batch.view, batch.rows, batch.created)


def series(url: str, trials: int) -> Iterator[Trial]:
    for seed in range(trials):
        yield trial(url, seed)
