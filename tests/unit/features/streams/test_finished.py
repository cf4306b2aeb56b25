"""Rows that another engine computed are written as they come; of one event time the later message stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from include.core.spec import FinishedView
from include.event_log.port import Event, Position
from include.features.streams.finished import FinishedRows
from tests.support.event_logs import CARD, MemoryLog, card_spec
from tests.support.memory_store import MemoryStore

AT = datetime.fromisoformat("2024-03-05T12:00:00")
SPEC = card_spec(sources=(), key="", finished=(FinishedView(view="card", topic="rows"),))
PLACE = ("rows", 0)


def row(card: str, at: datetime, payments: int, **more: Any) -> dict[str, Any]:
    return {"card": card, "event_timestamp": at.isoformat(), "payments": payments, "spent": 1, **more}


def taken(*values: Any, position: Position | None = None) -> tuple[FinishedRows, MemoryStore, list[str]]:
    log = MemoryLog({"rows": 1})
    events = [log.send("rows", value) for value in values]
    rows, store = FinishedRows(SPEC), MemoryStore()
    rows.begin(PLACE, position, 0)
    reasons: list[str] = []
    for at in range(0, len(events), 2):
        found = rows.take(events[at : at + 2])
        reasons += [each.reason for each in found.poison]
        for due in found.due:
            store.write("card_fraud", due.view, due.newest, AT)
        rows.written()
    return rows, store, reasons


def test_the_newest_event_time_and_of_one_the_later_message() -> None:
    values = [row("a", AT, 1), row("a", AT, 9), row("a", AT - timedelta(hours=1), 5), row("a", AT, 2)]
    rows, store, reasons = taken(*values)
    assert store.read("card_fraud", CARD, [("a",)]) == [{"payments": 2, "spent": 1}]
    assert reasons == []
    assert rows.positions() == {PLACE: Position(4, 4, 4_000_000)}
    assert rows.watermark == int((AT - datetime.fromisoformat("1970-01-01")).total_seconds() * 1e6)


def test_a_creation_time_of_its_own_decides_instead() -> None:
    made = AT + timedelta(minutes=1)
    values = [row("a", AT, 1, created_timestamp=made.isoformat()), row("a", AT, 2, created_timestamp=AT.isoformat())]
    _, store, _ = taken(*values)
    assert store.read("card_fraud", CARD, [("a",)]) == [{"payments": 1, "spent": 1}]


def test_what_is_no_row_is_set_aside_and_what_was_read_is_not_read_again() -> None:
    values = [{"card": "a"}, row("a", datetime.fromisoformat("2999-01-01"), 1), row("b", AT, 3)]
    _, store, reasons = taken(*values)
    assert len(reasons) == 2
    assert store.read("card_fraud", CARD, [("a",), ("b",)]) == [None, {"payments": 3, "spent": 1}]
    rows, store, _ = taken(*values, position=Position(3, 3, 3_000_000))
    assert store.read("card_fraud", CARD, [("b",)]) == [None]
    assert rows.read_to(PLACE) == 3


def test_it_holds_nothing_and_gives_places_up() -> None:
    rows, _, _ = taken(row("a", AT, 1))
    assert (rows.held(), rows.reads(PLACE)) == (0, 1)
    rows.keep([])
    assert rows.positions() == {}
    assert rows.take([Event("other", 0, 0, 0, None, b"")]).due == []
