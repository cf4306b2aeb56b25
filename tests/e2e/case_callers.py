"""The callers of a case: its questions in event order, while a stream brings its features, and labels as they become known.

Nothing that happens later is known to anybody. They go on in the background whatever the platform does meanwhile, day after day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, TypeVar

import aiohttp

from include.core.reference import load
from include.core.spec import ModelSpec
from include.data.raw import RawPartitions
from include.data.session import open_session
from include.data.sql import parquet
from include.features.online.stream import stream_rows

AT_ONCE = 8  # requests in flight
AT_A_TIME = 500  # rows of one push, labels of one feedback

MICROSECOND = timedelta(microseconds=1)

Row = dict[str, Any]
Questions = Callable[[ModelSpec, Sequence[Row]], list[tuple[datetime, Row]]]
T = TypeVar("T")


@dataclass
class Tally:
    """What came back. A request fails if its answer is not HTTP 200; degraded ones were answered all the same."""

    requests: int = 0
    failed: int = 0
    degraded: int = 0
    labels: int = 0
    answered_by: dict[str, int] = field(default_factory=dict)  # by version
    first_failure: str = ""

    def fail(self, why: str) -> None:
        self.failed += 1
        self.first_failure = self.first_failure or why


@dataclass
class Day:
    """What happens on a day, each in the order of its time: `at` is the moment from which it is known."""

    pushes: list[tuple[datetime, str, list[Row]]]  # and the view
    questions: list[tuple[datetime, Row]]
    labels: list[tuple[datetime, Row]]


@dataclass
class Callers:
    """Of one model. `path`: what is asked, such as `predict`. `every`: one question in so many is asked, by its id.

    `step`: how often the stream pushes what has become known.
    """

    spec: ModelSpec
    raw: RawPartitions  # the source's own copy of the days
    url: str
    token: str
    path: str = "predict"
    every: int = 1
    step: timedelta = timedelta(hours=1)
    per_second: float = 0.0  # 0: as fast as the gateway answers
    tally: Tally = field(default_factory=Tally)
    questions: Questions | None = None  # what is asked of a day's entity rows; None: each of them, as it is

    def replay(self, day: Day, begins: date) -> None:
        asyncio.run(self._replay(day, begins))

    async def _replay(self, day: Day, begins: date) -> None:
        """Step by step: what has become known by a step's beginning is pushed before whoever asks within it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        start = datetime.combine(begins, time())
        pushes = self._by_step(start, [(at + self.step - MICROSECOND, (view, rows)) for at, view, rows in day.pushes])
        questions, labels = self._by_step(start, day.questions), self._by_step(start, day.labels)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE), headers=headers) as session:
            for number in sorted({*pushes, *questions, *labels}):
                known = _by_view(pushes.get(number, []))
                await asyncio.gather(*(self._push(session, view, rows) for view, rows in known))
                await self._ask_all(session, questions.get(number, []))
                await self._tell(session, labels.get(number, []))

    def _by_step(self, start: datetime, what: Iterable[tuple[datetime, T]]) -> dict[int, list[T]]:
        found: dict[int, list[T]] = {}
        for at, each in what:
            found.setdefault((at - start) // self.step, []).append(each)
        return found

    async def _push(self, session: aiohttp.ClientSession, view: str, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), AT_A_TIME):
            body = {"rows": rows[start : start + AT_A_TIME]}
            async with session.post(f"{self.url}/push/{self.spec.name}/{view}", json=body) as answer:
                answer.raise_for_status()

    async def _tell(self, session: aiohttp.ClientSession, labels: Sequence[Row]) -> None:
        for start in range(0, len(labels), AT_A_TIME):
            body = {"labels": labels[start : start + AT_A_TIME]}
            async with session.post(f"{self.url}/feedback/{self.spec.name}", json=body) as answer:
                answer.raise_for_status()
            self.tally.labels += len(body["labels"])

    async def _ask_all(self, session: aiohttp.ClientSession, asked: Sequence[Row]) -> None:
        """In order, `AT_ONCE` in flight at most, begun at the pace of the moment: the life changes it meanwhile."""
        free, under_way = asyncio.Semaphore(AT_ONCE), []
        for one in asked:
            await free.acquire()
            under_way.append(asyncio.create_task(self._ask(session, one, free)))
            if pace := self.per_second:
                await asyncio.sleep(1 / pace)
        await asyncio.gather(*under_way)

    async def _ask(self, session: aiohttp.ClientSession, one: Row, free: asyncio.Semaphore) -> None:
        self.tally.requests += 1
        try:
            async with session.post(f"{self.url}/{self.path}/{self.spec.name}", json=one) as answer:
                self._count(answer.status, await answer.json(content_type=None))
        except (aiohttp.ClientError, ValueError, TimeoutError) as error:
            self.tally.fail(f"{type(error).__name__}: {error}")
        finally:
            free.release()

    def _count(self, status: int, answer: Row) -> None:
        if status != 200:
            self.tally.fail(f"HTTP {status}: {str(answer)[:300]}")
            return
        self.tally.degraded += bool(answer.get("degraded"))
        version = str(answer.get("version"))
        self.tally.answered_by[version] = self.tally.answered_by.get(version, 0) + 1


class Pump(Thread):
    """Replays day after day in the background. `until` is the last day it may; `next_day` the one it replays now or next.

    `keep(next_day)` is called after each day.
    """

    def __init__(self, callers: Callers, first: date, until: date, scratch: Path, keep: Callable[[date], None]) -> None:
        super().__init__(daemon=True, name="callers")
        self.callers, self.next_day, self.until, self.scratch, self.keep = callers, first, until, scratch, keep
        self.error: BaseException | None = None
        self._stop_asked = Event()

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                if self.next_day > self.until:
                    self._stop_asked.wait(0.1)
                    continue
                self.callers.replay(read_day(self.callers, self.next_day, self.scratch), self.next_day)
                self.next_day += timedelta(days=1)
                self.keep(self.next_day)
        except Exception as error:  # noqa: BLE001 (a thread cannot raise to its caller; `check` shows it there)
            self.error = error

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def wait_for(self, day: date) -> None:
        """Until that day has been replayed."""
        while self.next_day <= day:
            self.check()
            self._stop_asked.wait(0.1)

    def stop(self) -> None:
        """Finish the day in hand, then end."""
        self._stop_asked.set()
        self.join()
        self.check()


def read_day(callers: Callers, day: date, scratch: Path) -> Day:
    """A day of the source's own copy, which must have the day after, too: of it the schedule is known, as of some models."""
    spec, raw = callers.spec, callers.raw
    pushes = [(at, view.name, [_plain(row) for row in rows.to_pylist()]) for at, view, rows in stream_rows(spec, raw, day, day)]
    with TemporaryDirectory(dir=scratch) as folder, open_session() as connection:
        for source in spec.data.sources:
            days = [one for one in (day, day + timedelta(days=1)) if raw.exists(source, one)]
            files = [str(raw.fetch(source, one, raw.digest(source, one), Path(folder))) for one in days]
            connection.execute(f'CREATE VIEW "{source}" AS FROM {parquet(files)}')
        chosen = f"hash(request_id) % {callers.every} = 0"
        questions = _rows(connection, load(spec.features.entities)(), "event_timestamp", day, chosen)
        labels = _rows(connection, load(spec.features.labels)(), "label_timestamp", day, chosen)
    return Day(
        pushes,
        (callers.questions or _each)(spec, list(questions)),
        [(row["label_timestamp"], _told(spec, row)) for row in labels],
    )


def _each(spec: ModelSpec, rows: Sequence[Row]) -> list[tuple[datetime, Row]]:
    return [(row["event_timestamp"], question(spec, row)) for row in rows]


def question(spec: ModelSpec, row: Row) -> Row:
    """An entity row as a caller sends it."""
    return {
        "id": row["request_id"],
        "event_time": row["event_timestamp"].isoformat() + "Z",
        "entity": {key: row[key] or "" for key in spec.features.keys},
        "features": _plain({feature.name: row[feature.name] for feature in spec.features.request}),
    }


def _told(spec: ModelSpec, row: Row) -> Row:
    return {"id": row["request_id"], "label": row[spec.label], "at": row["label_timestamp"].isoformat() + "Z"}


def _rows(connection: Any, sql: str, moment: str, day: date, chosen: str) -> Iterable[Row]:
    found = connection.sql(f"FROM ({sql}) WHERE {moment}::DATE = DATE '{day}' AND {chosen} ORDER BY {moment}, request_id")
    return [dict(zip(found.columns, values, strict=True)) for values in found.fetchall()]


def _by_view(known: Iterable[tuple[str, list[Row]]]) -> list[tuple[str, list[Row]]]:
    ordered = sorted(known, key=lambda each: each[0])
    return [(view, [row for _, rows in each for row in rows]) for view, each in groupby(ordered, key=lambda each: each[0])]


def _plain(row: Row) -> Row:
    """As JSON has it, which knows neither times nor NaN."""
    return {name: _json(value) for name, value in row.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value != value else value
