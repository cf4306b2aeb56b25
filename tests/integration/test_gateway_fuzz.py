"""A sample of the fuzz (`make bench AREA=fuzz` runs 100,000): no good request is harmed by a bad one beside it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzz.run import fuzz


def test_bad_requests_are_refused_by_name_and_harm_no_good_one(tmp_path: Path) -> None:
    tally = fuzz(tmp_path, 2_000, seed=3)
    assert tally.requests == 2_000
    assert 1_700 < tally.good < 1_900
    assert tally.harmed == []
    assert tally.accepted == []
    assert tally.opened == 0
