"""Rows of one kind that a source adds to and publishes in parts, and how a part is stored.

A part that is full stays as it is; only the last one is written again. So a publication costs what is new, and whoever reads
parts twice, or in any order, has read the same rows.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.core.versioned import Body, Format

FULL = 1024  # rows of a part that is written no more
FORMAT = Format("a part of a rollout's evidence")

Rows = NDArray[np.void]
"""A structured array."""

MARKS, ANSWERS, LABELS = "marks", "answers", "labels"
SAMPLES, PAST_ANSWERS, PAST_LABELS = "samples", "past_answers", "past_labels"

_ANSWER = [("id", "u8"), ("unit", "u8"), ("arm", "u1"), ("said", "f8"), ("slice", "u2"), ("at", "i8")]
_LABEL = [("id", "u8"), ("name", "u1"), ("value", "f8"), ("slice", "u2"), ("at", "i8")]
DTYPES: dict[str, np.dtype[np.void]] = {
    # The first event of an entity: of which stream (`name`), at the place of the entity's hash; `tag`: the arm and what else.
    MARKS: np.dtype([("name", "u1"), ("place", "u4"), ("slice", "u2"), ("at", "i8"), ("tag", "u2")]),
    ANSWERS: np.dtype(_ANSWER),  # that wait for their label or outcome
    LABELS: np.dtype(_LABEL),  # `name` 0: a label; else an outcome of that name
    SAMPLES: np.dtype([("at", "i8"), ("latency", "u4"), ("score", "f8")]),  # answers of the champion; NaN: it has no score
    PAST_ANSWERS: np.dtype(_ANSWER),  # the champion's since the rollout began, where its losses are asked for
    PAST_LABELS: np.dtype(_LABEL),
}
STAGE_KINDS = (MARKS, ANSWERS, LABELS)  # they are of one stage


@dataclass(frozen=True)
class Table:
    """Rows, and the names that their column `name` counts."""

    names: Sequence[str]
    rows: Rows

    @classmethod
    def empty(cls, kind: str) -> Table:
        return cls((), np.empty(0, DTYPES[kind]))


@dataclass
class Journal:
    """The rows of the part that is written, `number`, and those after it. `names` are only ever added."""

    kind: str
    number: int = 1
    names: list[str] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    new: int = 0  # rows that are not published

    def add(self, row: tuple[Any, ...]) -> None:
        self.rows.append(row)
        self.new += 1

    def place(self, name: str) -> int:
        """The number of a name."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    @property
    def table(self) -> Table:
        """The rows that it holds."""
        return Table(tuple(self.names), np.array(self.rows, DTYPES[self.kind]))

    def unpublished(self) -> Iterable[tuple[int, Table]]:
        """The parts that have to be written, by number."""
        if self.new:
            rows = self.table.rows
            for part, start in enumerate(range(0, len(rows), FULL)):
                yield self.number + part, Table(tuple(self.names), rows[start : start + FULL])

    def published(self) -> None:
        """They were written: only the last part is kept, while it has room."""
        whole = len(self.rows) // FULL
        self.number, self.rows, self.new = self.number + whole, self.rows[whole * FULL :], 0

    def go_on(self, number: int, table: Table) -> None:
        """From the last part that was published."""
        self.number, self.names, self.rows, self.new = number, list(table.names), table.rows.tolist(), 0
        self.published()


def pack_table(table: Table) -> Body:
    """A part as it is stored: each column by itself, moments as differences, which are small."""
    columns = {name: table.rows[name] for name in table.rows.dtype.names or ()}
    if "at" in columns:
        columns["at"] = np.diff(columns["at"], prepend=np.int64(0))
    packed = {name: b64encode(zlib.compress(column.tobytes(), 1)).decode() for name, column in columns.items()}
    return FORMAT.stamp({"names": list(table.names), "columns": packed})


def unpack_table(kind: str, stored: Body, where: str = "") -> Table:
    """Raises PermanentError for one that a later release stored."""
    body, dtype = FORMAT.read(stored, where), DTYPES[kind]
    columns = {name: np.frombuffer(zlib.decompress(b64decode(text)), dtype[name]) for name, text in body["columns"].items()}
    rows = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        rows[name] = np.cumsum(column) if name == "at" else column
    return Table(tuple(body["names"]), rows)


def joined(kind: str, tables: Iterable[Table]) -> Table:
    """The rows of several tables, under one list of names."""
    names: dict[str, int] = {}
    found = [np.empty(0, DTYPES[kind])]
    for table in tables:
        rows = table.rows
        if table.names:
            place = np.array([names.setdefault(name, len(names)) for name in table.names], np.uint8)
            rows = rows.copy()
            rows["name"] = place[rows["name"]]
        found.append(rows)
    return Table(tuple(names), np.concatenate(found))
