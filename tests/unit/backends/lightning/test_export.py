"""A trained module as an ONNX file: whatever the problem, its outputs are the module's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pl = pytest.importorskip("pytorch_lightning")
import torch  # noqa: E402

from include.backends.lightning.fit import Data, Kept, fit_here  # noqa: E402
from include.backends.lightning.plan import MODEL, SCORES, Course, Place, Plan  # noqa: E402
from include.backends.onnx.model import check_model, open_model  # noqa: E402
from include.core.storage import LocalStorage  # noqa: E402
from include.training.checkpoint import CheckpointStore  # noqa: E402
from include.training.job import Input, Rows  # noqa: E402
from tests.support.problem_draws import drawn  # noqa: E402

INPUTS = tuple(Input(name) for name in "abc")


class OfKind(pl.LightningModule):
    """One layer, as many numbers as the problem has outputs; the loss by the link, weighted where a batch has weights."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.link, self.l = plan.link, torch.nn.Linear(3, len(plan.outputs))

    def forward(self, x: Any) -> Any:
        said = self.l(x)
        return said.squeeze(1) if said.shape[1] == 1 else said

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        said, label = self(batch[0]), batch[1]
        if self.link == "softmax":
            loss = torch.nn.functional.cross_entropy(said, label.long(), reduction="none")
        elif self.link == "interval":
            loss = (said - label[:, None]).abs().sum(dim=1)
        else:
            loss = (said - label).abs()
        return (loss * batch[2]).mean() if len(batch) == 3 else loss.mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        assert len(batch) in (2, 3)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.05)


@pytest.mark.parametrize("kind", ["regression", "multiclass", "ranking"])
def test_a_module_of_another_problem_is_exported_with_its_outputs_and_scores_as_it_did(kind: str, tmp_path: Path) -> None:
    problem, truth, _ = drawn(kind, rows=80)
    noise = np.random.default_rng(3).normal(size=(80, 2))
    features = np.column_stack([truth.labels, noise]).astype(np.float32)
    weights = np.ones(80, dtype=np.float32) if kind == "regression" else None
    rows = Rows(features, truth.labels.astype(np.float32), weights=weights)
    plan = Plan(INPUTS, {}, Course(80, 16, 2, 7), checkpoint_every=3, outputs=problem.outputs, link=problem.link)
    store = CheckpointStore(LocalStorage(tmp_path), "kept")
    fit_here(plan, lambda plan, _: OfKind(plan), Data(rows, rows.last(20)), Kept(store), Place())
    path = tmp_path / "model.onnx"
    model, scores = store.load(MODEL), store.load(SCORES)
    assert model is not None
    assert scores is not None
    path.write_bytes(model)
    check_model(path, 3, problem.outputs)
    outputs = open_model(path).score(features[-20:])
    assert problem.check(outputs, 20) == ""
    assert outputs == pytest.approx(np.frombuffer(scores, np.float32).reshape(problem.shape(20)), abs=1e-5)
