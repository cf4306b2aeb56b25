"""A row's value in Redis: its event time, its creation time (17 digits each) and the payload."""

from __future__ import annotations

from include.online_store.layout import EARLIEST
from include.online_store.packed_store import Stored
from include.online_store.row_codec import Packed
from include.online_store.store import Row

WIDTH = 17  # digits of a time: microseconds since 1653, so that text sorts as time does


def values_of(rows: Packed) -> list[bytes]:
    """One value a row."""
    texts = {time: b"%0*d" % (WIDTH, time - EARLIEST) for time in {*rows.events, *rows.created}}  # many rows share few times
    times = zip(rows.events, rows.created, rows.payloads, strict=True)
    return [texts[event] + texts[created] + payload for event, created, payload in times]


def row_of(value: bytes) -> Row:
    """Event time and payload: what the serving path reads."""
    return int(value[:WIDTH]) + EARLIEST, value[2 * WIDTH :]


def stored_of(value: bytes) -> Stored:
    """Both times and the payload."""
    return Stored(int(value[:WIDTH]) + EARLIEST, int(value[WIDTH : 2 * WIDTH]) + EARLIEST, value[2 * WIDTH :])
