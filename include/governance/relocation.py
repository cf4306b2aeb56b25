"""Making stored state independent of where it lies: what earlier releases wrote names the storage root as it was then.

Readers take both forms (include.core.request.relative), so nothing here is needed for an answer to be right. It is done once,
row by row and file by file, each of them as a whole: interrupted, it is run again. No key and no digest changes, for none
covers a path; the audit chain, whose hashes cover every byte of a row, is left as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, audit, metadata
from include.core.digest import canonical_json
from include.core.errors import SlipstreamError
from include.core.ledger import Ledger
from include.core.request import Json, Ref, Request, relative
from include.core.storage import Storage
from include.core.versioned_column import VersionedJson
from include.data import published
from include.versions import queries as versions
from include.versions.given_up import given_up_in

BATCH = 200  # rows a transaction: nobody who writes waits long
_IN_TEXT = re.compile(r"`[^`\s]+`")  # where a model card names a path


@dataclass
class Moved:
    """How much was looked at, and how much named a root."""

    seen: dict[str, int] = field(default_factory=dict)  # by place
    rewritten: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)  # files that are not what they say they are: left as they are

    def count(self, place: str, changed: bool) -> None:
        self.seen[place] = self.seen.get(place, 0) + 1
        self.rewritten[place] = self.rewritten.get(place, 0) + changed


def relocate(ledger: Ledger, control: ControlStore, *, dry_run: bool) -> Moved:
    """Rewrite what names a root; with `dry_run` only count it."""
    moved = Moved()
    for table in metadata.sorted_tables:
        if table is not audit:
            _rows(control, table, moved, dry_run)
    for path in ledger.storage.list("ledger"):
        if path.endswith("/request.json"):
            _request(ledger.storage, path, moved, dry_run)
    for path in ledger.storage.list("registry"):
        if path.endswith(("/package.json", "/card.md")):
            _registered(ledger.storage, path, moved, dry_run)
    return moved


def unresolved(ledger: Ledger, control: ControlStore) -> tuple[int, list[str]]:
    """How many references the published days and the versions hold, and what is wrong with those that lead nowhere."""
    count, wrong = 0, []
    for name, ref in _references(control):
        count += 1
        try:
            ledger.resolve(ref)
        except SlipstreamError as error:
            wrong.append(f"{name}: {error.what}")
    return count, wrong


def _references(control: ControlStore) -> Iterator[tuple[str, Ref]]:
    for model, day, ref in published.references(control):
        yield f"{model} {day}", ref
    with control.transaction() as connection:
        gone = given_up_in(connection)
    for model, version, name, ref in versions.references(control):
        if (model, version) not in gone:
            yield f"{model} version {version}, {name}", ref


# -- the control store -----------------------------------------------------------------------------------------------------


def _rows(control: ControlStore, table: sa.Table, moved: Moved, dry_run: bool) -> None:
    columns = [column for column in table.columns if isinstance(column.type, sa.JSON | VersionedJson)]
    if not columns:
        return
    keys = list(table.primary_key.columns)
    with control.transaction() as connection:
        every = connection.execute(sa.select(*keys).order_by(*keys)).all()
    for start in range(0, len(every), BATCH):
        with control.transaction() as connection:
            for key in every[start : start + BATCH]:
                here = sa.and_(*(column == value for column, value in zip(keys, key, strict=True)))
                _row(connection, table, here, columns, moved, dry_run)


def _row(
    connection: sa.Connection, table: sa.Table, here: Any, columns: list[sa.Column[Any]], moved: Moved, dry_run: bool
) -> None:
    found = connection.execute(sa.select(*columns).where(here).with_for_update()).mappings().first()
    if found is None:  # removed since: a live rollout's memory
        return
    values = {name: _without_root(value) for name, value in found.items()}
    changed = {name: value for name, value in values.items() if value != found[name]}
    if changed and not dry_run:
        connection.execute(table.update().where(here).values(**changed))
    moved.count(table.name, bool(changed))


def _without_root(value: Json) -> Json:
    """The same value, every string in it that leads to a result relative to the root."""
    if isinstance(value, str):
        return relative(value)
    if isinstance(value, dict):
        return {name: _without_root(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_root(item) for item in value]
    return value


# -- the storage -----------------------------------------------------------------------------------------------------------


def _request(storage: Storage, path: str, moved: Moved, dry_run: bool) -> None:
    """Its inputs alone: what else a request holds is what its key is made of."""
    key = path.removeprefix("ledger/").removesuffix("/request.json")
    try:
        value: dict[str, Any] = json.loads(storage.read(path))
        request = Request.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError):
        moved.damaged.append(path)
        return
    if request.key != key:
        moved.damaged.append(path)
        return
    inputs = {name: {**ref, "uri": relative(ref["uri"])} for name, ref in value["inputs"].items()}
    changed = inputs != value["inputs"]
    if changed and not dry_run:
        storage.write(path, canonical_json({**value, "inputs": inputs}))
    moved.count("ledger: requests", changed)


def _registered(storage: Storage, path: str, moved: Moved, dry_run: bool) -> None:
    """A version of the folder registry: its tags, and its card."""
    before = storage.read(path)
    if path.endswith(".md"):
        after = _IN_TEXT.sub(lambda found: f"`{relative(found[0].strip('`'))}`", before.decode()).encode()
    else:
        try:
            value = json.loads(before)
        except ValueError:
            moved.damaged.append(path)
            return
        after = before if _without_root(value) == value else canonical_json(_without_root(value))
    if after != before and not dry_run:
        storage.write(path, after)
    moved.count("registry: versions", after != before)
