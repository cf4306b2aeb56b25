from __future__ import annotations

from pathlib import Path

from include.governance.card import render
from tests.support.toy_ledger import Loop

TOLD = {
    "metric": "auc", "rows": 300, "repeats": 5, "seed": 7, "words": "auc is worse without wind (0.21).",
    "permutation": [
        {"feature": "wind", "worse": 0.21, "low": 0.2, "high": 0.22},
        {"feature": "h|our", "worse": 0.0, "low": None, "high": None},
    ],
    "shap": {"features": [{"feature": "wind", "mean_abs": [0.125]}]},
}  # fmt: skip


def test_the_card_says_what_moves_the_model(tmp_path: Path) -> None:
    package = Loop.under(tmp_path).package()
    assert "What moves it" not in render(package)
    package.facts.evaluation.value["explanations"] = TOLD
    card = render(package)
    assert "## What moves it\n\nauc is worse without wind (0.21)." in card
    assert "| wind | 0.21 | 0.2 to 0.22 | 0.125 |" in card
    assert "| h\\|our | 0 | – | – |" in card
