"""What somebody may still need of the ledger: everything that is named where it is decided by, with all that it was made from.

The control store is read as text: whatever names a result, in whatever column, keeps it. That keeps too much where a row only
mentions one, and never too little. Two places are left out, for they tell what once was and lead nowhere: the audit chain, and
documents that are copies for people (`RECORDS`). What was made for a version that was given up is kept by no mention of it at all
(include/retention/released.py).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, metadata
from include.core.errors import IntegrityError
from include.core.given_up import place_of
from include.core.ledger import Ledger
from include.core.snapshot import snapshot
from include.core.storage import Storage
from include.core.versioned_column import VersionedJson
from include.retention.holdings import Holding, Place
from include.retention.released import Released, released_in

AUDIT, DOCUMENTS = "slipstream_audit", "slipstream_documents"
REGISTERED = ("slipstream_versions", "slipstream_effects")  # their keys are, or begin with, that of a registration
# Kinds of documents that tell of results and keep none: which was brought online (include/features/online/presence.py), what a
# verdict said (include/validation/kept.py), what a window showed (include/monitoring/windows.py) and alarmed of (alarm.py there),
# and what was given up.
RECORDS = ("online", "verdict", "window", "monitored", "given_up")
_RESULT = re.compile(r"ledger/([^/\s\"]+/[^/\s\"]+)/g(\d+)/")
_KEY = re.compile(r"\b([a-z][a-z_]*/[0-9a-f]{32})\b")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass
class Named:
    """What texts name: results by their place, keys with all their generations, and results by their digest. None of it is
    `released`."""

    places: set[Place] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    released: Released = field(default_factory=Released)

    def read(self, text: str) -> None:
        self.places |= {(key, int(generation)) for key, generation in _RESULT.findall(text)}
        self.keys |= set(_KEY.findall(_RESULT.sub("", text)))
        self.digests |= set(_DIGEST.findall(text))

    def without(self, released: Released) -> Named:
        places = {place for place in self.places if place not in released}
        return Named(places, self.keys - released.keys, self.digests - released.digests, released)


def named(control: ControlStore, storage: Storage) -> Named:
    """What the control store names, and what the versions of a registry in a folder do."""
    found = Named()
    with snapshot(control) as connection:  # of one moment: what moves from one table to another is in one of them
        released = released_in(connection)
        for text in _rows(connection, released):
            found.read(text)
    for path in storage.list("registry"):
        if path.endswith("/package.json"):
            with suppress(FileNotFoundError):  # of a version that was given up since
                found.read(storage.read(path).decode(errors="replace"))
    return found.without(released)


def _rows(connection: sa.Connection, released: Released) -> Iterator[str]:
    for table in metadata.sorted_tables:
        if table.name != AUDIT:
            query = sa.select(*map(_plain, table.columns))
            if table.name == DOCUMENTS:
                query = query.where(table.c.kind.not_in(RECORDS))
            for row in connection.execute(query).mappings():
                if table.name not in REGISTERED or "/".join(row["key"].split("/")[:3]) not in released.registrations:
                    yield json.dumps(dict(row), default=str)


def _plain(column: sa.Column[Any]) -> Any:
    """As it is stored, whatever version of its format that is."""
    return sa.type_coerce(column, sa.JSON).label(column.name) if isinstance(column.type, VersionedJson) else column


def with_inputs(
    ledger: Ledger,
    places: Iterable[Place],
    there: Mapping[Place, Holding],
    released: Released,
    is_done: Callable[[Place], bool] = lambda _: True,
) -> set[Place]:
    """The places, and every place that what is in them was made from, but for what is `released`: that is kept only by what may
    still read it, of which `is_done` is false. Raises IntegrityError where it cannot be read what something was made from.

    Of a place whose result is not there any more all generations of its key count: another one may be the same result, made anew.
    """
    found: set[Place] = set()
    inputs: dict[str, list[Place]] = {}
    generations: dict[str, list[Place]] = defaultdict(list)
    for place in there:
        generations[place[0]].append(place)
    left = list(places)
    while left:
        place = left.pop()
        if place in found:
            continue
        found.add(place)
        if place not in there or not there[place].has_result:
            left += generations[place[0]]
        if place[0] not in inputs:
            inputs[place[0]] = _inputs(ledger, place, there)
        left += [each for each in inputs[place[0]] if each not in released or not is_done(place)]
    return found


def _inputs(ledger: Ledger, place: Place, there: Mapping[Place, Holding]) -> list[Place]:
    key, generation = place
    try:
        request = ledger.request(key)
    except FileNotFoundError:
        if place not in there or not there[place].has_result:
            return []  # it is gone itself, or was never there
        raise _unreadable(ledger, key, f"generation {generation} of it is needed") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(ledger, key, str(error)) from error
    return [made for ref in request.inputs.values() if (made := place_of(ref)) is not None]


def _unreadable(ledger: Ledger, key: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"What {key} was made from cannot be known: its request cannot be read ({why}).",
        seen=ledger.storage.uri(f"ledger/{key}/request.json"),
        safe="nothing was removed: what it needs might have been.",
        hint=f"bring the file back from a copy of the storage, or have the result made again: slipstream invalidate {key}.",
    )
