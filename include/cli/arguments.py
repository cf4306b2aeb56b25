"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
from datetime import date


def day(text: str) -> date:
    """A day as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2013-01-02") from None
