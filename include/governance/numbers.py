"""The numbers of a version that outlive its files: what a walk-forward table and a comparison say of it.

They are read when the version is given up, and are a part of what says so (`include/versions/given_up.py`). Of rows nothing is
kept, and of the evaluation only what it measured over all of its holdout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.errors import SlipstreamError
from include.core.ledger import Ledger
from include.core.request import Ref

FACTS = ("rows", "holdout_rows", "positives", "holdout_positives", "labels", "unlabelled", "first", "last", "as_of", "views")
MEASURED = ("metrics", "baselines")
NUMBERS = {"training_set": FACTS, "evaluation": MEASURED}  # by the result of the version's record


def numbers_of(ledger: Ledger, record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By `training_set` and `evaluation`; one that cannot be read any more is left out."""
    found: dict[str, dict[str, Any]] = {}
    for name, wanted in NUMBERS.items():
        if name in record:
            try:
                value = ledger.resolve(Ref.from_json(record[name])).value
            except (SlipstreamError, FileNotFoundError):
                continue
            found[name] = {each: value[each] for each in wanted if each in value}
    return found
