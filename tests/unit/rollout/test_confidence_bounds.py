"""The judge's numbers against those that the arithmetic written by hand gave before scipy's took its place.

`judge_numbers.json` holds them. The counts and boundaries that decide are the same to the last one; bounds and powers that
are shown agree to what the former bisection left open (1e-12) and to its sums (1e-9 of the value).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.rollout.alpha_spending import boundaries, period_boundaries
from include.rollout.confidence_bounds import most_allowed, upper, upper_ratio
from include.rollout.judge_plan import JudgePlan
from include.rollout.power import power_ceiling, promoted

BEFORE: dict[str, list[Any]] = json.loads((Path(__file__).parent / "judge_numbers.json").read_text())


def test_the_counts_that_promote_are_those_of_before() -> None:
    assert [most_allowed(*given) for *given, _ in BEFORE["most_allowed"]] == [found for *_, found in BEFORE["most_allowed"]]


@pytest.mark.parametrize("name", ["upper", "upper_ratio"])
def test_the_bounds_that_are_shown_are_those_of_before(name: str) -> None:
    bound = {"upper": upper, "upper_ratio": upper_ratio}[name]
    assert [bound(*given) for *given, _ in BEFORE[name]] == pytest.approx([f for *_, f in BEFORE[name]], rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("case", BEFORE["boundaries"], ids=lambda case: f"p={case['p']}")
def test_the_boundaries_that_roll_back_are_those_of_before(case: dict[str, Any]) -> None:
    limits = (period_boundaries if case["by_turn"] else boundaries)(case["p"], case["alpha"], np.array([case["trials"]]))
    assert limits[0].tolist() == case["limits"]


def test_the_powers_foreseen_are_those_of_before() -> None:
    powers = [power_ceiling(*given) for *given, _ in BEFORE["ceiling"]]
    assert powers == pytest.approx([found for *_, found in BEFORE["ceiling"]], rel=1e-9, abs=1e-12)


def test_the_chances_of_promotion_foreseen_are_those_of_before() -> None:
    chances = [
        promoted(base, requests, JudgePlan("canary", share, 1000, 0.015, compared=True))
        for base, requests, share, _ in BEFORE["promoted"]
    ]
    assert chances == pytest.approx([found for *_, found in BEFORE["promoted"]], rel=1e-9, abs=1e-11)


@pytest.mark.lives
def test_a_rollback_by_hand_does_not_wait_for_scipy() -> None:
    asked = "import sys, include.cli.rollback; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
