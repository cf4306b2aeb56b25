"""Carving a validation split from the training rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError

SHARE = 0.1
MINIMUM = 50  # rows on each side
TIME = "event_timestamp"


def split_newest(table: pa.Table, share: float = SHARE, list_column: str = "") -> tuple[pa.Table, pa.Table]:
    """(older, newest `share` of the rows by event time), cut between two moments.

    By time and not at random: rows of one afternoon share its weather and its delays, so a random split
    would be marked on what it has seen. Rows of one list (`list_column`) stand together, lists by their first moment; a list that
    began before the cut and ended after it is on neither side. Raises DataError when either side would be too small.
    """
    ordered = table.sort_by(TIME)
    cut = int(len(ordered) * (1 - share))
    if 0 < cut < len(ordered):
        older = pc.less(ordered[TIME], ordered[TIME][cut])
        ordered_older, newest = ordered.filter(older), ordered.filter(pc.invert(older))
        if list_column:
            ordered_older, newest = _whole_lists(ordered_older, newest, list_column)
        if min(len(ordered_older), len(newest)) >= MINIMUM:
            return ordered_older, newest
    raise too_few(len(table), share)


def too_few(rows: int, share: float = SHARE) -> DataError:
    """The error for a training set of which one side would be too small."""
    return DataError(
        f"Too few rows to train on: at least {MINIMUM} are needed on each side of a {1 - share:.0%}/{share:.0%} split by time.",
        seen=rows,
        safe="the training set is kept as it is.",
        hint="widen training.window_days.",
    )


def _whole_lists(older: pa.Table, newest: pa.Table, column: str) -> tuple[pa.Table, pa.Table]:
    """Both without the lists that they share, the rows of a list together."""
    shared = pc.unique(older[column].filter(pc.is_in(older[column], value_set=pc.unique(newest[column]))))
    kept = [side.filter(pc.invert(pc.is_in(side[column], value_set=shared))) for side in (older, newest)]
    return _together(kept[0], column), _together(kept[1], column)


def _together(table: pa.Table, column: str) -> pa.Table:
    """Lists in the order of their first moment; within a list the rows as they were."""
    if not len(table):
        return table
    codes = pc.dictionary_encode(table[column].combine_chunks()).indices  # numbered by the first row of each
    places = pa.table({"list": codes, "row": range(len(table))})
    return table.take(pc.sort_indices(places, [("list", "ascending"), ("row", "ascending")]))
