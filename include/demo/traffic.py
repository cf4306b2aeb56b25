"""The replay: flights of 2013 as requests, in event order, while the stream brings the features of each hour.

Within an hour its feature rows are pushed first (they were known when it began), then everybody who asks in
that hour is answered, several at a time. Nothing that happened later is known to anybody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import aiohttp

from include.core import tls
from include.core.reference import load
from include.core.spec import ModelSpec
from include.data.raw import RawPartitions
from include.data.session import open_session
from include.data.sql import parquet
from include.demo.source import provide
from include.features.online.stream import stream_rows

AT_ONCE = 8  # requests in flight


@dataclass
class Tally:
    """What came back. A request fails if its answer is not HTTP 200; degraded ones were answered all the same."""

    requests: int = 0
    failed: int = 0
    degraded: int = 0
    answered_by: Counter[str] = field(default_factory=Counter)
    first_failure: str = ""


@dataclass
class Traffic:
    """One model's callers and its stream. `per_second` slows them down (0: as fast as the gateway answers)."""

    spec: ModelSpec
    raw: RawPartitions
    url: str
    token: str
    scratch: Path
    tally: Tally = field(default_factory=Tally)
    per_second: float = 0.0

    def day(self, day: date, scratch: Path) -> None:
        """Replay one day (UTC), hour by hour."""
        asyncio.run(self._day(day, scratch))

    async def _day(self, day: date, scratch: Path) -> None:
        rows = list(stream_rows(self.spec, self.raw, day, day))
        asked = list(requests_of(self.spec, self.raw, day, scratch))
        secure = tls.gateway_context() if self.url.startswith("https:") else True
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE, ssl=secure)) as session:
            for hour in range(24):
                start = datetime.combine(day, datetime.min.time()) + timedelta(hours=hour)
                await asyncio.gather(*(self._push(session, view.name, table) for at, view, table in rows if at == start))
                await self._ask_all(session, [r for r in asked if start <= r["event_time"] < start + timedelta(hours=1)])

    async def _push(self, session: aiohttp.ClientSession, view: str, table: Any) -> None:
        body = {"rows": [{k: _plain(v) for k, v in row.items()} for row in table.to_pylist()]}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with session.post(f"{self.url}/push/{self.spec.name}/{view}", json=body, headers=headers) as answer:
            answer.raise_for_status()

    async def _ask_all(self, session: aiohttp.ClientSession, asked: list[dict[str, Any]]) -> None:
        """In order, `AT_ONCE` in flight at most, begun at the pace of the moment: the story changes it while we run."""
        free, under_way = asyncio.Semaphore(AT_ONCE), []
        for one in asked:
            await free.acquire()
            under_way.append(asyncio.create_task(self._ask_then(session, one, free)))
            if pace := self.per_second:
                await asyncio.sleep(1 / pace)
        await asyncio.gather(*under_way)

    async def _ask_then(self, session: aiohttp.ClientSession, one: dict[str, Any], free: asyncio.Semaphore) -> None:
        try:
            await self._ask(session, one)
        finally:
            free.release()

    async def _ask(self, session: aiohttp.ClientSession, one: dict[str, Any]) -> None:
        self.tally.requests += 1
        body = {**one, "event_time": one["event_time"].isoformat() + "Z"}
        try:
            async with session.post(f"{self.url}/predict/{self.spec.name}", json=body) as answer:
                self._count(answer.status, await answer.json(content_type=None))
        except (aiohttp.ClientError, ValueError) as error:
            self._failed(f"{type(error).__name__}: {error}")

    def _count(self, status: int, answer: dict[str, Any]) -> None:
        if status != 200:
            self._failed(f"HTTP {status}: {str(answer)[:300]}")
            return
        self.tally.degraded += bool(answer["degraded"])
        self.tally.answered_by[str(answer["version"])] += 1

    def _failed(self, why: str) -> None:
        self.tally.failed += 1
        self.tally.first_failure = self.tally.first_failure or why


class Pump(Thread):
    """Replays day after day in the background, as long as it may: callers do not stop while a model is trained.

    `until` is the last day it may replay; `next_day` the one it replays now or next.
    """

    def __init__(self, traffic: Traffic, first: date, until: date) -> None:
        super().__init__(daemon=True, name="replay")
        self.traffic, self.next_day, self.until = traffic, first, until
        self.error: BaseException | None = None
        self._stop_asked = Event()

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                if self.next_day > self.until:
                    self._stop_asked.wait(0.1)
                    continue
                self._replay(self.next_day)
                self.next_day += timedelta(days=1)
        except Exception as error:  # noqa: BLE001 (a thread cannot raise to its caller; `check` shows it there)
            self.error = error

    def _replay(self, day: date) -> None:
        data = self.traffic.spec.data
        since = max(day - timedelta(days=data.lookback_days), data.first)
        provide(self.traffic.raw.storage, since, day + timedelta(days=1))
        with TemporaryDirectory(dir=self.traffic.scratch) as scratch:
            self.traffic.day(day, Path(scratch))

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Finish the day in hand, then end."""
        self._stop_asked.set()
        self.join()
        self.check()


def requests_of(spec: ModelSpec, raw: RawPartitions, day: date, scratch: Path) -> Iterator[dict[str, Any]]:
    """Who asks on a day, in order. The schedule of the day after is known by then; outcomes are not read."""
    days = [one for one in (day, day + timedelta(days=1)) if raw.exists("flights", one)]
    files = [str(raw.fetch("flights", one, raw.digest("flights", one), scratch)) for one in days]
    with open_session() as connection:
        connection.execute(f"CREATE VIEW flights AS FROM {parquet(files)}")
        entities = load(spec.features.entities)()
        rows = connection.sql(
            f"FROM ({entities}) WHERE event_timestamp::DATE = DATE '{day}' ORDER BY event_timestamp, request_id"
        )
        columns = rows.columns
        for values in rows.fetchall():
            row = dict(zip(columns, values, strict=True))
            yield {
                "id": row["request_id"],
                "event_time": row["event_timestamp"],
                "entity": {key: row[key] or "" for key in spec.features.keys},
                "features": {feature.name: _plain(row[feature.name]) for feature in spec.features.sent},
            }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value != value else value  # JSON has no NaN
