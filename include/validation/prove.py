"""Rules that a partition passes, apart from those that it does not: each tried as the judge tries it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from include.core.errors import DataError, SpecError
from include.row_rules.expectation import Expectation
from include.validation import scan
from include.validation.batch import Batch
from include.validation.port import open_expectations


def passing(batch: Batch, rules: Sequence[Expectation]) -> tuple[list[Expectation], list[Expectation]]:
    """(passed, not passed), in order: by the schema, by the quarantine, and read whole as well as in a scan.

    A partition of the next day may be larger or smaller than this one: both ways must pass. One that is larger than
    the library is given whole is only scanned.
    """
    runner = open_expectations()
    kept = [rule for rule in rules if _fits(batch, rule)]
    ways = [scan.scan_batch] if batch.rows > scan.WHOLE_ROWS else [scan.check_batch, scan.scan_batch]
    for check in ways:
        checks = check(batch.name, batch, kept, runner) if kept else []
        kept = [rule for rule, found in zip(kept, checks, strict=True) if found.success and not found.broken]
    return kept, [rule for rule in rules if rule not in kept]


def _fits(batch: Batch, rule: Expectation) -> bool:
    try:
        batch.check_schema([rule])
        with TemporaryDirectory() as folder:
            return batch.quarantine([rule], Path(folder, "held.parquet")) == 0
    except (DataError, SpecError):
        return False
