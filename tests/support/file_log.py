"""An event log in a file that processes share: SQLite. One reader at a time; the next one fences it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from include.core import fault
from include.core.errors import FencedError
from include.event_log.port import Answer, Event, Listener, Place, Position, Standing

TABLES = """
CREATE TABLE IF NOT EXISTS events (topic, part, offset, stamp, value, of, PRIMARY KEY (topic, part, offset));
CREATE TABLE IF NOT EXISTS positions (topic, part, next, text, PRIMARY KEY (topic, part));
CREATE TABLE IF NOT EXISTS term (number);
"""


class FileLog:
    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        self.connection.executescript(TABLES)

    def send(self, topic: str, value: Any, part: int = 0) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        at = self._high(topic, part)
        self.connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, '')", (topic, part, at, 1_000_000 * (at + 1), body))

    def read(self, topic: str) -> list[bytes]:
        found = self.connection.execute("SELECT value FROM events WHERE topic = ? ORDER BY part, offset", (topic,))
        return [value for (value,) in found]

    def positions(self) -> dict[str, int]:
        found = self.connection.execute("SELECT topic, part, next FROM positions ORDER BY 1, 2")
        return {f"{topic}/{part}": next_ for topic, part, next_ in found}

    def _high(self, topic: str, part: int) -> int:
        query = "SELECT coalesce(max(offset) + 1, 0) FROM events WHERE topic = ? AND part = ?"
        return int(self.connection.execute(query, (topic, part)).fetchone()[0])


class FileConsumer(FileLog):
    """Conforms to `EventConsumer` and, by `write`, to `AnswerWriter`."""

    unit = 1

    def __init__(self, path: Path, places: Collection[Place], answers: str = "") -> None:
        super().__init__(path)
        self._places, self._answers = list(places), answers
        self._next: dict[Place, int] = {}
        self._term = 0

    def start(self, listener: Listener | None = None) -> None:
        """Without a listener, as a writer: nothing to do, for the reader's term says who writes."""
        if listener is None:
            return
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("INSERT INTO term VALUES (1)")
            self._term = self._newest()
            self.connection.execute("COMMIT")
        self._next = dict(listener.assigned({place: self._standing(place) for place in self._places}))

    def _newest(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM term").fetchone()[0])

    def _standing(self, place: Place) -> Standing:
        found = self.connection.execute("SELECT next, text FROM positions WHERE topic = ? AND part = ?", place).fetchone()
        position = Position.from_text(found[1], found[0]) if found else None
        return Standing(position, 0, self._high(*place))

    def poll(self, limit: int, seconds: float) -> Sequence[Event]:
        if self._newest() != self._term:
            raise FencedError("Another reader has begun.", seen=self._term, safe="what it wrote stands.", hint="end this one.")
        found: list[Event] = []
        for place, at in self._next.items():
            query = "SELECT offset, stamp, value FROM events WHERE topic = ? AND part = ? AND offset >= ? ORDER BY 1 LIMIT ?"
            for offset, stamp, value in self.connection.execute(query, (*place, at, limit // len(self._next))):
                found.append(Event(*place, offset, stamp, None, value))
                self._next[place] = offset + 1
        return found

    def rest(self, seconds: float) -> None:
        """Nobody waits for us."""

    def commit(self, positions: Mapping[Place, Position]) -> bool:
        return self._write((), positions)

    def write(self, answers: Sequence[Answer], positions: Mapping[Place, Position]) -> bool:
        fault.point("stream.answered")
        done = self._write(answers, positions)
        fault.point("stream.answers.committed")
        return done

    def _write(self, answers: Sequence[Answer], positions: Mapping[Place, Position]) -> bool:
        self.connection.execute("BEGIN IMMEDIATE")
        if self._newest() != self._term:
            self.connection.execute("ROLLBACK")
            return False
        for each in answers:
            self.send(self._answers, each.value)
        for place, at in positions.items():
            self.connection.execute("REPLACE INTO positions VALUES (?, ?, ?, ?)", (*place, at.next, at.to_text()))
        self.connection.execute("COMMIT")
        return True

    def answered(self, place: Place, position: Position | None) -> Collection[int]:
        del place, position
        return ()

    def counts(self) -> Mapping[str, int]:
        topics = [topic for topic, _ in self._places]
        return {topic: topics.count(topic) for topic in topics}

    def highs(self) -> Mapping[Place, int]:
        return {place: self._high(*place) for place in self._next}

    def close(self) -> None:
        self._next = {}
