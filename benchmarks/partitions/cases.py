"""Two days of a source as anybody's writer may leave them: encodings, names, gaps, extremes, odd neighbours, damage."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from benchmarks.partitions.columns import KINDS, ROWS, Kind, Value, nothing

Damage = Literal["none", "cut", "flipped"]
NAMES = (
    "x", "size", 'size "in"', "it's", "a.b", "größe", "x y", "select", "Mixed Case", "filename", "file_row_number", "reason",
    "date", "rowid", "a\nb", "%s", "{x}", "?", "a;b", "main", "🙂", "row_number", "value", "__index_level_0__", "k" * 200,
)  # fmt: skip
NEIGHBOURS = ("none", "list", "struct", "binary", "nulls", "the same name", "the same name but for case")
WIDE = ("int64", "uint64", "decimal(18, 0)", "decimal(30, 0)")  # kinds that hold integers beyond a double's
COMPRESSIONS = ("none", "snappy", "zstd", "gzip")


@dataclass(frozen=True)
class Day:
    kind: Kind | None  # None: the column has Parquet's null type
    values: tuple[Any, ...]
    compression: str
    dictionary: bool
    page_version: str
    row_group: int
    int96: bool

    def worth(self, row: int) -> Value:
        value = self.values[row]
        return None if value is None or self.kind is None else self.kind.worth(value)


@dataclass(frozen=True)
class Case:
    name: str
    days: tuple[Day, Day]
    neighbour: str
    damage: Damage
    seed: int

    @property
    def family(self) -> str:
        return next((day.kind.family for day in self.days if day.kind), "number")

    @property
    def may_be_refused(self) -> bool:
        """Whether an error of ours is a right answer; else only the right values are."""
        kinds = {day.kind.name for day in self.days if day.kind}
        if not kinds or self.neighbour.startswith("the same name") or self.damage != "none":
            return True  # a column without any value has no type to make a number of
        if any(day.kind and day.kind.refused(day.values) for day in self.days):
            return True
        whole = [
            day for day in self.days if day.kind and day.kind.name in ("int64", "uint64", "decimal(18, 0)", "decimal(30, 0)")
        ]
        wide = any(abs(value) > 2**53 for day in whole for value in day.values if value is not None)
        return len(kinds) > 1 and wide  # doubles on the other day would lose digits

    def write(self, number: int, path: Path) -> None:
        day = self.days[number]
        count = len(day.values)
        held = nothing(count) if day.kind is None else day.kind.array(day.values)
        columns = [("id", pa.array([f"{number}-{n}" for n in range(count)])), (self.name, held)]
        columns += _neighbour(self.neighbour, self.name, count)
        table = pa.Table.from_arrays([array for _, array in columns], names=[name for name, _ in columns])
        flipped = self.damage == "flipped"
        pq.write_table(
            table, path, compression="none" if flipped else day.compression, use_dictionary=day.dictionary,
            write_page_checksum=flipped, data_page_version=day.page_version, row_group_size=day.row_group,
            use_deprecated_int96_timestamps=day.int96,
        )  # fmt: skip
        if number == 1 and self.damage != "none":
            _hurt(path, self.damage, random.Random(self.seed))


def _neighbour(kind: str, name: str, count: int) -> list[tuple[str, pa.Array]]:
    made: dict[str, list[tuple[str, pa.Array]]] = {
        "none": [],
        "list": [("others", pa.array([[1, None]] * count))],
        "struct": [("others", pa.array([{"a": 1, "b": "x"}] * count))],
        "binary": [("others", pa.array([b"\xff\xfe"] * count))],
        "nulls": [("others", pa.nulls(count))],
        "the same name": [("others", pa.array([1] * count)), ("others", pa.array([2] * count))],
        "the same name but for case": [(name.swapcase(), pa.array([1] * count))],
    }
    return [(each, array) for each, array in made[kind] if each != name or kind == "the same name"]


def _hurt(path: Path, damage: Damage, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: draw.randrange(len(data))]
    else:
        data[draw.randrange(4, len(data) - 8)] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(data))


@st.composite
def _days(draw: st.DrawFn, kinds: Sequence[Kind]) -> Day:
    kind = draw(st.sampled_from([*kinds, None])) if draw(st.integers(0, 9)) == 0 else draw(st.sampled_from(kinds))
    empty = st.lists(st.none(), min_size=ROWS, max_size=ROWS)
    values = draw(empty if kind is None else st.lists(kind.values | st.none() if draw(st.booleans()) else kind.values,
                                                      min_size=ROWS, max_size=ROWS))  # fmt: skip
    int96 = bool(kind and kind.name in ("timestamp[ns]", "timestamp[us]")) and draw(st.booleans())
    return Day(
        kind, tuple(values), draw(st.sampled_from(COMPRESSIONS)), draw(st.booleans()), draw(st.sampled_from(["1.0", "2.0"])),
        draw(st.sampled_from([1, 5, 100])), int96 and all(v is None or 1700 < v.year < 2200 for v in values),
    )  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> Case:
    family = draw(st.sampled_from(["number", "number", "text", "time", "flag"]))
    kinds = [kind for kind in KINDS if kind.family == family]
    first = draw(_days(kinds))
    second = draw(_days(kinds if draw(st.booleans()) or first.kind is None else [first.kind]))
    damages: list[Damage] = [*("none",) * 8, "cut", "flipped"]
    damage = draw(st.sampled_from(damages))
    neighbour = draw(st.sampled_from(["none"] * 6 + list(NEIGHBOURS)))
    return Case(draw(st.sampled_from(NAMES)), (first, second), neighbour, damage, draw(st.integers(0, 2**32)))
