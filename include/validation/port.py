"""The port behind which expectations are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import pyarrow as pa

from include.core.adapters import adapter
from include.row_rules.expectation import Expectation
from include.validation.verdict import Check


class ExpectationRunner(Protocol):
    def check(self, name: str, table: pa.Table, rules: Sequence[Expectation]) -> list[Check]:
        """One Check for each rule, in order. Never raises for bad data or a broken rule: see `Check.broken`.

        Raises SpecError for a rule that the library itself refuses.
        """


def open_expectations() -> ExpectationRunner:
    opener: Callable[[], ExpectationRunner] = adapter("expectations")
    return opener()
