"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
from contextlib import suppress

from include.core.errors import DataError
from include.core.partition import DAILY, ONE_WEEK, PARTS_OF_A_DAY, Cadence, Partition


def day(text: str) -> Partition:
    """A day as YYYY-MM-DD, or a partition of another length by its name. Which cadence it is of, the model says."""
    for cadence in (DAILY, Cadence(ONE_WEEK), *(Cadence(every) for every in PARTS_OF_A_DAY)):
        with suppress(DataError):
            return cadence.parse(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2013-01-02 (or 2013-01-02T06:00, 2013-W01)") from None


def version_number(given: str, model: str) -> int:
    """argparse's own conversion would take `1_0` and digits of other scripts, and a number of 5,000 digits as a traceback."""
    if given.isascii() and given.isdigit() and len(given) < 10:
        return int(given)
    raise DataError("A version is a whole number.", seen=given[:100], hint=f"`slipstream versions {model}` lists them.")
