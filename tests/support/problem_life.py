"""The steps of one kind of model, from rows to verdict, run on a ledger of its own."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from include.core.ledger import Ledger
from include.core.request import Json, Request, Result
from include.core.spec import Evaluation
from include.core.task import perform
from tests.support.linear_models import HERE
from tests.support.problem_rows import LABEL, PROBLEMS, problem_params, rows_of
from tests.support.training_example import FEATURES, settings, training_set

MARGINS = {"binary": 0.05, "regression": 0.5, "interval": 0.5, "multiclass": 0.05, "ranking": 0.05}


class Life:
    """A ledger, and the steps of one kind of model run on it."""

    def __init__(self, home: Path, kind: str) -> None:
        self.kind, self.problem = kind, PROBLEMS[kind]
        self.settings = settings(home)
        self.ledger = Ledger(self.settings.storage())
        self.data = training_set(self.ledger, home / "in", rows_of(kind, 800), rows_of(kind, 600, seed=2))

    def run(self, request: Request) -> Result:
        self.ledger.record(request)
        return perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)

    def train(self, fit: str = "fit_linear", step: str = "train", **training: Json) -> Result:
        section = {"fit": f"{HERE}:{fit}", "params": {"spread": 6.0}, **training}
        params = {"features": FEATURES, "training": section, "label": LABEL, **problem_params(self.kind)}
        inputs = {"training_set": self.ledger.ref(self.data)}
        return self.run(Request(step, f"include.training.{step}_step:run", "example", params, inputs))

    def evaluate(self, train: Result, champion: Result | None = None, **section: Json) -> Result:
        inputs = {"training_set": self.ledger.ref(self.data), "train": self.ledger.ref(train)}
        if champion is not None:
            inputs["champion"] = self.ledger.ref(champion)
        params: dict[str, Any] = {
            "features": FEATURES,
            "label": LABEL,
            "threshold": 0.5,
            "evaluation": self.section(**section).model_dump(mode="json"),
            **problem_params(self.kind),
        }
        return self.run(Request("evaluate", "include.evaluation.evaluate_step:run", "example", params, inputs))

    def section(self, **section: Any) -> Evaluation:
        asked = {"metric": self.problem.DEFAULT_METRIC, "minimum": None, "margin": MARGINS[self.kind], "slice_margin": 3.0}
        return Evaluation(**{**asked, "slices": ("carrier",), "baseline": "carrier", "max_latency_ms": 1000.0, **section})

    @cached_property
    def good(self) -> Result:
        return self.train()

    @cached_property
    def worse(self) -> Result:
        return self.train(params={"noise": 1.5, "spread": 6.0})

    @cached_property
    def passing(self) -> Result:
        """The better model, measured beside the worse one."""
        return self.evaluate(self.good, champion=self.worse)

    def page(self, result: Result) -> str:
        return self.ledger.storage.read(result.files["report.html"].path).decode()
