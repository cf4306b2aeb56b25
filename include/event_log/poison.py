"""Events that were set aside, kept under the root with their place and the reason.

    quarantine/streams/{owner}/{topic}/{partition}-{first offset}-{last offset}.jsonl    a line an event

An event that is read again after a kill may be in two files: `kept` gives each once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from include.core.json_types import Json
from include.core.storage import Storage
from include.event_log.decode import Poison
from include.event_log.port import Place

FOLDER = "quarantine/streams"
SHOWN = 64 << 10  # bytes of an event that are kept


def keep(storage: Storage, owner: str, poison: Sequence[Poison]) -> None:
    """Each once: the same events are the same file."""
    places: dict[Place, list[Poison]] = {}
    for each in poison:
        places.setdefault(each.event.place, []).append(each)
    for (topic, partition), found in places.items():
        first, last = found[0].event.offset, found[-1].event.offset
        lines = "".join(f"{json.dumps(_line(each), sort_keys=True)}\n" for each in found)
        storage.create(f"{_folder(owner, topic)}/{partition:05d}-{first:020d}-{last:020d}.jsonl", lines.encode())


def kept(storage: Storage, owner: str) -> Iterator[dict[str, Json]]:
    """Every event that was set aside, by topic, partition and offset."""
    seen: set[tuple[str, int, int]] = set()
    for path in storage.list(f"{FOLDER}/{owner}"):
        for line in storage.read(path).decode().splitlines():
            row = json.loads(line)
            name = (row["topic"], row["partition"], row["offset"])
            if name not in seen:
                seen.add(name)
                yield row


def _folder(owner: str, topic: str) -> str:
    return f"{FOLDER}/{owner}/{quote(topic, safe='')}"


def _line(poison: Poison) -> dict[str, Json]:
    event = poison.event
    value, whole = event.value[:SHOWN], len(event.value) <= SHOWN
    try:
        body: dict[str, Json] = {"value": value.decode()}
    except UnicodeDecodeError:
        body = {"base64": base64.b64encode(value).decode()}
    return {
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "stamp": event.stamp,
        "reason": poison.reason,
        **body,
        **({} if whole else {"bytes": len(event.value)}),
    }
