"""Events become columns, and what does not fit is told apart from the rest of its batch."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from include.core.spec import Column, EventSource
from include.event_log.decode import LARGEST, EventDecoder
from include.event_log.port import Event

TYPES = (("card", "text"), ("cents", "int"), ("share", "float"), ("fresh", "bool"), ("at", "time"), ("seen", "time"))
SOURCE = EventSource(
    source="payments", topics=("payments",), time="at",
    columns=tuple(Column(name=name, type=kind, required=name == "cents") for name, kind in TYPES),  # type: ignore[arg-type]
)  # fmt: skip
GOOD = {"card": "c1", "cents": 5, "share": 1, "fresh": True, "at": "2024-03-05T12:00:00+02:00", "more": [1]}


def events(*values: object) -> list[Event]:
    bodies = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    return [Event("payments", 0, place, 0, None, body) for place, body in enumerate(bodies)]


def test_every_type_and_a_field_that_nobody_asked_for() -> None:
    decoded, poison = EventDecoder(SOURCE, "card").decode(events(GOOD, {**GOOD, "seen": 1709640000000.5, "share": None}))
    assert poison == []
    first, second = decoded.columns.to_pylist()
    moment = datetime.fromisoformat("2024-03-05T10:00:00")
    assert first == {"card": "c1", "cents": 5, "share": 1.0, "fresh": True, "at": moment, "seen": None}
    assert second["seen"] == datetime.fromisoformat("2024-03-05T12:00:00.000500")
    assert second["share"] is None
    assert decoded.times.tolist() == [1709632800000000] * 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"card":"a","cents":1,"at":1},{"card":"b","cents":1,"at":1}', "cannot be read"),
        (b"\xff", "cannot be read"),
        (b'{"card":"' + b"x" * LARGEST + b'"}', "more than"),
        ({**GOOD, "cents": 2**63}, "cents"),
        ({**GOOD, "cents": "5"}, "cents"),
        ({**GOOD, "at": "yesterday"}, "at"),
        ({**GOOD, "at": 1e300}, "no time"),
        ({**GOOD, "at": None}, "no 'at'"),
        ({**GOOD, "card": None}, "no 'card'"),
        ({key: value for key, value in GOOD.items() if key != "cents"}, "no 'cents'"),
    ],
)
def test_one_that_does_not_fit_leaves_the_others(value: object, reason: str) -> None:
    decoded, poison = EventDecoder(SOURCE, "card").decode(events(GOOD, value, GOOD))
    assert [event.offset for event in decoded.events] == [0, 2]
    assert [each.event.offset for each in poison] == [1]
    assert reason in poison[0].reason


def test_none_at_all() -> None:
    decoded, poison = EventDecoder(SOURCE).decode([])
    assert (decoded.columns.num_rows, len(decoded.times), poison) == (0, 0, [])
