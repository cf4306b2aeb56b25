"""A result without a task around it: found, computed, or computed again where its bytes changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.compute import find_or_compute
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Request
from include.core.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})


def request(settings: Settings, step: str = "double") -> Request:
    return Request(step, f"tests.unit.operators.steps:{step}", "m", {"n": 4, "marks": str(settings.home / "marks")})


def test_it_is_computed_once_and_found_afterwards(settings: Settings) -> None:
    ledger = Ledger(settings.storage())
    first, second = (find_or_compute(request(settings), ledger, settings) for _ in range(2))
    assert (first.reused, second.reused) == (False, True)
    assert first.result == second.result
    assert (settings.home / "marks").read_text() == "0/1\n"


def test_a_damaged_result_is_computed_again(settings: Settings) -> None:
    ledger = Ledger(settings.storage())
    made = find_or_compute(request(settings), ledger, settings).result
    Path(settings.storage().uri(made.files["out.txt"].path)).write_text("9")
    again = find_or_compute(request(settings), ledger, settings)
    assert (again.reused, again.result.generation) == (False, 1)
    assert again.result.digest == made.digest


def test_what_the_step_raises_comes_out_and_the_next_call_tries_again(settings: Settings) -> None:
    ledger = Ledger(settings.storage())
    for _ in range(2):
        with pytest.raises(DataError, match="There are no labels"):
            find_or_compute(request(settings, "refuse"), ledger, settings)
    assert ledger.result(request(settings, "refuse").key) is None
