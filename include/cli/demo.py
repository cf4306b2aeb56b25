"""`slipstream demo`: the whole loop on the flights of 2013."""

from __future__ import annotations

import argparse
import time

from include.cli.answer import Shapes, answer

SHAPES: Shapes = {"": {"passed": "whether every phase did what it should", "seconds": "that it took"}}


def configure(parser: argparse.ArgumentParser) -> None:
    del parser  # it takes no options


def run(options: argparse.Namespace) -> int:
    """Starts the platform if it does not run; returns 0 if every phase did what it should."""
    from include.demo.run import run as run_demo

    began = time.monotonic()
    status = run_demo()
    answer(options, {"passed": status == 0, "seconds": round(time.monotonic() - began, 1)})
    return status
