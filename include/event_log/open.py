"""Opening the event log behind a URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from include.core.adapters import ADAPTERS, adapter
from include.core.connection import Connection
from include.core.errors import SpecError
from include.event_log.port import AnswerWriter, EventConsumer

_PORT, _ANSWERS = "events.", "answers."


def open_events(url: str, connection: Connection | None, group: str, topics: Sequence[str]) -> EventConsumer:
    """`kafka://host:9092,host:9092` or `redis://host:port/0`; the login of Kafka is the connection's. Opens no connection yet.

    Raises SpecError for a scheme that no vendor answers to, and for options that its vendor does not honour.
    """
    opener: Callable[[str, Connection | None, str, Sequence[str]], EventConsumer] = adapter(_known(url, _PORT))
    return opener(url, connection, group, topics)


def open_answers(
    url: str, connection: Connection | None, consumer: EventConsumer, group: str, member: str, topic: str
) -> AnswerWriter:
    """What writes answers beside that consumer's positions. `member`: a name that no other process of the group has."""
    opener: Callable[[str, Connection | None, Any, str, str, str], AnswerWriter] = adapter(_known(url, _ANSWERS))
    return opener(url, connection, consumer, group, member, topic)


def _known(url: str, port: str) -> str:
    scheme = url.partition("://")[0]
    if f"{port}{scheme}" not in ADAPTERS:
        known = sorted(name.partition(".")[2] for name in ADAPTERS if name.startswith(_PORT))
        raise SpecError(
            "SLIPSTREAM_STREAM_URL has an unknown scheme." if url else "SLIPSTREAM_STREAM_URL is not set.",
            seen=scheme,
            hint=f"say kafka://host:9092 or redis://host:port/0; known schemes are {', '.join(known)}.",
        )
    return f"{port}{scheme}"
