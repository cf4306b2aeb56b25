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


ATTACK = {"attack": "loss", "advantage": 0.02, "control": None, "excess": 0.02, "auc": 0.51, "found": 0.011}


def test_the_card_says_whether_it_gives_rows_away(tmp_path: Path) -> None:
    package = Loop.under(tmp_path).package()
    assert "## Privacy" not in render(package)
    package.facts.evaluation.value["privacy"] = {"words": "No attack finds them.", "attacks": [ATTACK]}
    assert "## Privacy\n\nNo attack finds them.\n\n| attack" in render(package)
    assert "| loss | 0.02 | – | 0.02 | 0.51 | 0.011 |" in render(package)


def test_the_card_says_what_moves_the_model(tmp_path: Path) -> None:
    package = Loop.under(tmp_path).package()
    assert "What moves it" not in render(package)
    package.facts.evaluation.value["explanations"] = TOLD
    card = render(package)
    assert "## What moves it\n\nauc is worse without wind (0.21)." in card
    assert "| wind | 0.21 | 0.2 to 0.22 | 0.125 |" in card
    assert "| h\\|our | 0 | – | – |" in card


def test_the_card_says_what_a_private_fit_spent(tmp_path: Path) -> None:
    package = Loop.under(tmp_path).package()
    assert "Differential privacy" not in render(package)
    package.facts.train.value["privacy"] = {
        "epsilon": 2.997, "delta": 1e-5, "noise_multiplier": 1.1, "max_grad_norm": 0.5, "sample_rate": 0.01, "steps": 1000,
        "accountant": "rdp",
    }  # fmt: skip
    assert "Trained by DP-SGD with epsilon 2.997 at delta 1e-05 for each row" in render(package)
    assert "1,000 steps of a share of 0.01 of the rows" in render(package)
