"""`slipstream reject MODEL VERSION --reason "..."`: a person's no to a version that waits; it is rolled back."""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes
from include.cli.approve import DECIDED, arguments, decide

SHAPES: Shapes = {"": DECIDED}


def configure(parser: argparse.ArgumentParser) -> None:
    arguments(parser)


def run(options: argparse.Namespace) -> int:
    return decide(options, "reject")
