"""`python -m include.ranges.worker MODEL`: makes the days that each line of its input names, and answers a line a day.

A process that dies takes no other day with it; one whose parent died ends after the day in hand, which then is in the ledger.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from typing import TextIO

from include.core import logs
from include.core.catalog import load_owner
from include.core.ledger import Ledger
from include.core.private_files import set_mask
from include.core.settings import Settings
from include.ranges.making import Maker


def main(model: str, fresh: str = "") -> int:
    logs.configure("range", logging.WARNING, logs.OF_A_JOB)
    set_mask()
    answers = _own_output()
    settings = Settings.from_env()
    spec = load_owner(model, settings.models)
    cadence, maker = spec.data.cadence, Maker(spec, Ledger(settings.storage()), settings, fresh, aside=True)
    gc.freeze()  # what was imported stays: no collection has to look at it
    for line in sys.stdin:
        for outcome in maker.make([cadence.parse(text) for text in line.split()]):
            answers.write(json.dumps(outcome.to_json()) + "\n")
            answers.flush()
    return 0


def _own_output() -> TextIO:
    """The pipe to the parent; what an author's code prints goes to the log."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
