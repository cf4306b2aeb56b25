"""A sample of `make bench AREA=partitions`: nasty partitions come out right, or are refused by one of our errors."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.partitions.cases import Case, cases
from tests.support.effort import effort
from tests.support.later import Later

chain = Later("benchmarks.partitions.chain")
CASES = effort(8, 30)


@pytest.mark.thorough
def test_nasty_partitions_come_out_right_or_are_refused() -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=CASES, phases=[Phase.generate], deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def every(case: Case) -> None:
        with tempfile.TemporaryDirectory() as home:
            told = chain.run(case, Path(home))
        assert told in ("", "refused"), (told, case)
        counts[told] += 1

    every()
    assert counts[""] > CASES // 3  # refusing all would be no answer
