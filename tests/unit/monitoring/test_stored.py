from __future__ import annotations

from include.monitoring.stored import rounded, stored


def test_a_summary_keeps_the_key_that_results_have() -> None:
    assert stored({"verdict": "drift", "summary": "rain"}) == {"verdict": "drift", "words": "rain"}


def test_floats_have_six_significant_digits_wherever_they_are() -> None:
    assert rounded({"a": [1 / 3, None, "x", 7], "b": {"c": (2e-9 / 3,)}}) == {
        "a": [0.333333, None, "x", 7], "b": {"c": [6.66667e-10]},
    }  # fmt: skip
