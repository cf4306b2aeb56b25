"""Who is in which group of an attribute, and which groups are large enough to be judged, or to be told of at all.

Groups are counted in people where the rows say whose they are: of one person's 300 rows nothing follows for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError
from include.core.spec import Attribute
from include.core.spec.fairness import FLOOR
from include.metrics.arrays import Bools, Groups
from include.problems.label_columns import numbered

MOST = 20  # groups that are compared with each other; the smaller ones of more are taken together
TENS = 10  # counts are rounded to tens where an exact one would tell how many a group that is withheld has
UNKNOWN = "(not known)"
OTHERS = "(others)"


@dataclass(frozen=True)
class Group:
    """`rows` [n]: which are its. `of`: the groups that it was put together of, if it was."""

    name: str
    rows: Bools
    people: int
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Small:
    """A group that is not judged. `people` is None where there are so few that their number is nobody's business."""

    name: str
    people: int | None


@dataclass(frozen=True)
class Grouping:
    """`judged`: largest first. `unknown`: rows of whom the attribute is not known, if they are as many. `rounded`: whether exact
    counts would tell how many are in a group that is withheld."""

    column: str
    judged: tuple[Group, ...]
    small: tuple[Small, ...] = ()
    unknown: Group | None = None
    rounded: bool = False

    @property
    def shown(self) -> tuple[Group, ...]:
        """Those that figures are shown of."""
        return (*self.judged, *((self.unknown,) if self.unknown else ()))


def people_of(table: pa.Table, person: Sequence[str]) -> Groups | None:
    """A number for each person [n] by the columns that say who it is; None where each row is another.

    Raises DataError where a column is missing.
    """
    if not person:
        return None
    found = np.zeros(table.num_rows, dtype=np.int64)
    for name in person:
        numbers = numbered(_column(table, name))
        _, found = np.unique(np.stack([found, numbers]), axis=1, return_inverse=True)
        found = found.reshape(-1).astype(np.int64)
    return found


def grouped(table: pa.Table, attribute: Attribute, people: Groups | None, minimum: int) -> Grouping:
    """The groups of an attribute. `people` [n]: whose row it is, None where each is another's. Raises DataError for a column that
    is missing, or no number where it has bins."""
    names = _names(_column(table, attribute.column), attribute)
    found = sorted(_found(names, people), key=lambda each: (-each.people, each.name))
    unknown = next((each for each in found if each.name == UNKNOWN), None)
    known = [each for each in found if each.name != UNKNOWN]
    large = [each for each in known if each.people >= minimum][:MOST]
    small = [each for each in known if each not in large]
    merged = _merged(small, people)
    judged = (*large, *((merged,) if merged and merged.people >= minimum else ()))
    hidden = any(each.people < FLOOR for each in (*small, *((unknown,) if unknown else ())))
    told = tuple(Small(each.name, None if hidden else each.people) for each in small)
    return Grouping(
        attribute.column, judged, told, unknown if unknown is not None and unknown.people >= minimum else None, hidden
    )


def _found(names: pa.Array, people: Groups | None) -> Iterator[Group]:
    coded = names.dictionary_encode()
    places = coded.indices.to_numpy(zero_copy_only=False)
    for place, name in enumerate(coded.dictionary.to_pylist()):
        rows = np.asarray(places == place, dtype=np.bool_)
        yield Group(name, rows, count(rows, people))


def count(rows: Bools, people: Groups | None) -> int:
    """How many people the rows are of."""
    return int(rows.sum()) if people is None else len(np.unique(people[rows]))


def _merged(small: Sequence[Group], people: Groups | None) -> Group | None:
    """The small groups as one; None of fewer than two: it would be the group itself."""
    if len(small) < 2:
        return None
    rows = np.logical_or.reduce([each.rows for each in small])
    return Group(OTHERS, rows, count(rows, people), tuple(each.name for each in small))


def _names(column: pa.ChunkedArray, attribute: Attribute) -> pa.Array:
    """The group [n] of each row, as text."""
    if attribute.bins:
        return _binned(column, attribute)
    try:
        text = column.cast(pa.string()).combine_chunks()
    except pa.ArrowException as error:
        raise DataError(
            f"The attribute {attribute.column!r} of fairness has no values that are groups.",
            seen=str(column.type),
            safe="the rows are kept as they are; nothing was judged.",
            hint="select it as text, or give it bins in fairness.attributes.",
        ) from error
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    return pc.fill_null(text, UNKNOWN)


def _binned(column: pa.ChunkedArray, attribute: Attribute) -> pa.Array:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        raise DataError(
            f"The attribute {attribute.column!r} of fairness has bins, and is no number.",
            seen=str(column.type),
            safe="the rows are kept as they are; nothing was judged.",
            hint="cast it in features.entities, or leave the bins out.",
        )
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    edges = attribute.bins
    names = [
        f"below {edges[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in pairwise(edges)),
        f"{edges[-1]:g} and more",
    ]
    found = np.array(names, dtype=object)[np.searchsorted(np.asarray(edges), values, side="right").clip(0, len(names) - 1)]
    found[~np.isfinite(values)] = UNKNOWN
    return pa.array(found, pa.string())


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataError(
            f"The rows have no column {name!r}, which fairness reads.",
            seen=table.column_names,
            safe="nothing was judged.",
            hint="select it in features.entities, backfill the features DAG over training.window_days, and build the training "
            "set anew.",
        )
    return table[name]
