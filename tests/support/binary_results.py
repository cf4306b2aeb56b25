"""What a plain binary model's training, evaluation, gate and plan come to on seeded rows: held against what was stored.

`python -m tests.support.binary_results` writes the stored results; it was run before there were other kinds of problems.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from include.core.ledger import Ledger
from include.core.request import Json, Request, Result
from include.core.spec import Evaluation
from include.core.task import perform
from include.metrics.errors import influence
from include.metrics.paired import difference
from include.problems.gate_words import notes, reasons
from include.problems.holdout_plan import Assumed
from tests.support.linear_models import HERE
from tests.support.training_example import FEATURES, settings, table, train_request, training_set

STORED = Path(__file__).with_suffix(".json")
STRONG: dict[str, Json] = {"weights": [1.3, 0.0, 0.9], "bias": -3.2}
WEAK: dict[str, Json] = {"weights": [0.4, 0.05, 0.1], "bias": -1.0}
SECTION: dict[str, Json] = {
    "metric": "auc", "minimum": 0.6, "baseline": "carrier", "slices": ["carrier"], "max_latency_ms": 1000.0,
}  # fmt: skip
MEASURED = ("latency_ms", "bytes")  # of the machine, and of a file
NAMES = ("auc", "log_loss", "brier", "ece", "accuracy", "precision", "recall", "f1")


def found(home: Path) -> dict[str, Any]:
    """Every figure, by what it is of."""
    store = settings(home)
    ledger = Ledger(store.storage())

    def run(request: Request) -> Result:
        return perform(request, ledger.open_attempt(request.key, 0), ledger, store)

    data = training_set(ledger, home / "in", table(1600), table(900, seed=2))
    strong, weak = (run(train_request(ledger, data, f"{HERE}:fit_given", params=params)) for params in (STRONG, WEAK))
    tuned = run(_tune(ledger, data))
    inputs = {"training_set": ledger.ref(data), "train": ledger.ref(weak), "champion": ledger.ref(strong)}
    values: dict[str, Any] = {}
    for name, section in _sections().items():
        params = {"features": FEATURES, "evaluation": section, "label": "late", "threshold": 0.4}
        request = Request("evaluate", "include.evaluation.evaluate_step:run", "example", params, inputs)
        values[name] = _said(run(request).value, Evaluation(**section))  # type: ignore[arg-type]
    trained = {"strong": strong.value, "weak": weak.value, "tuned": tuned.value}
    return {"train": trained, "evaluate": values, "errors": _errors(), "plan": _plan()}


def _tune(ledger: Ledger, data: Result) -> Request:
    asked = train_request(ledger, data, f"{HERE}:fit_given", search={"bias": [-3.2, 0.0]}, params=STRONG)
    return Request("tune", "include.training.tune_step:run", "example", asked.params, asked.inputs)


def _sections() -> dict[str, dict[str, Json]]:
    """By name: one that the challenger fails by far, by slices, and one that lets it through."""
    return {
        "closed": SECTION,
        "floor": {**SECTION, "minimum": 0.99},
        "log_loss": {**SECTION, "metric": "log_loss", "minimum": 0.1},
        "accuracy": {**SECTION, "metric": "accuracy", "minimum": None, "margin": 0.02},
        "open": {**SECTION, "minimum": None, "margin": 0.9, "slice_margin": 0.9},
    }


def _said(value: dict[str, Any], section: Evaluation) -> dict[str, Any]:
    kept = {name: each for name, each in value.items() if name not in MEASURED}
    return {**kept, "words": list(reasons(value, section)), "notes": list(notes(value, section))}


def _errors() -> dict[str, Any]:
    labels, first, second = Assumed(auc=0.75, rate=0.3, alike=0.8).draw(800, seed=5)
    days = np.arange(800) // 100
    made = {}
    for name in NAMES:
        moved = influence(name, labels, first, 0.4)
        paired = difference(name, labels, second, first, days, 0.4)
        made[name] = {
            "value": moved.value,
            "error": moved.error(days),
            "first": moved.rows[:5].tolist(),
            "paired": paired.to_json(),
        }
    return made


def _plan() -> dict[str, Any]:
    made = {}
    for name in NAMES:
        spread = Assumed(auc=0.75, rate=0.3, alike=0.9).spread(name, 1400, 0.4)
        assert spread is not None
        needed = spread.needed(0.0, 0.01, 0.025)
        made[name] = {"error": spread.error, "needed": needed, "chance": spread.chance(1400, 0.0, 0.01, 0.025)}
    return made


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        STORED.write_text(json.dumps(found(Path(folder)), indent=1, sort_keys=True) + "\n")
