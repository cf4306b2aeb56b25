"""`slipstream demo`: the whole loop on the flights of 2013."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    del parser  # it takes no options


def run(options: argparse.Namespace) -> int:
    """Starts the platform if it does not run; returns 0 if every phase did what it should."""
    from include.demo.run import run as run_demo

    del options
    return run_demo()
