"""Carving a validation split from the training rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError

SHARE = 0.1
MINIMUM = 50  # rows on each side
TIME = "event_timestamp"


def split_newest(table: pa.Table, share: float = SHARE) -> tuple[pa.Table, pa.Table]:
    """(older, newest `share` of the rows by event time), cut between two moments.

    By time and not at random: rows of one afternoon share its weather and its delays, so a random split
    would be marked on what it has seen. Raises DataError when either side would be too small.
    """
    ordered = table.sort_by(TIME)
    cut = int(len(ordered) * (1 - share))
    if 0 < cut < len(ordered):
        older = pc.less(ordered[TIME], ordered[TIME][cut])
        ordered_older, newest = ordered.filter(older), ordered.filter(pc.invert(older))
        if min(len(ordered_older), len(newest)) >= MINIMUM:
            return ordered_older, newest
    raise DataError(
        f"Too few rows to train on: at least {MINIMUM} are needed on each side of a {1 - share:.0%}/{share:.0%} split by time.",
        seen=len(table),
        safe="the training set is kept as it is.",
        hint="widen training.window_days.",
    )
