"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
from datetime import date

from include.core.errors import DataError


def day(text: str) -> date:
    """A day as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2013-01-02") from None


def version_number(given: str, model: str) -> int:
    """argparse's own conversion would take `1_0` and digits of other scripts, and a number of 5,000 digits as a traceback."""
    if given.isascii() and given.isdigit() and len(given) < 10:
        return int(given)
    raise DataError("A version is a whole number.", seen=given[:100], hint=f"`slipstream versions {model}` lists them.")
