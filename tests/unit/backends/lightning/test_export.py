"""A trained module as an ONNX file: whatever the problem, its outputs are the module's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.backends.lightning.plan import MODEL, SCORES, Course, Place, Plan
from include.backends.onnx.model import check_model, open_model
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows
from tests.support.later import Later
from tests.support.problem_draws import drawn

pytestmark = pytest.mark.lives  # torch takes seconds to import

lightning, networks = Later("include.backends.lightning.fit"), Later("tests.unit.backends.lightning.network_of_kind")

INPUTS = tuple(Input(name) for name in "abc")


@pytest.mark.parametrize("kind", ["regression", "multiclass", "ranking"])
def test_a_module_of_another_problem_is_exported_with_its_outputs_and_scores_as_it_did(kind: str, tmp_path: Path) -> None:
    problem, truth, _ = drawn(kind, rows=80)
    noise = np.random.default_rng(3).normal(size=(80, 2))
    features = np.column_stack([truth.labels, noise]).astype(np.float32)
    weights = np.ones(80, dtype=np.float32) if kind == "regression" else None
    rows = Rows(features, truth.labels.astype(np.float32), weights=weights)
    plan = Plan(INPUTS, {}, Course(80, 16, 2, 7), checkpoint_every=3, outputs=problem.outputs, link=problem.link)
    store = CheckpointStore(LocalStorage(tmp_path), "kept")
    data = lightning.Data(rows, rows.last(20))
    lightning.fit_here(plan, lambda plan, _: networks.OfKind(plan), data, lightning.Kept(store), Place())
    path = tmp_path / "model.onnx"
    model, scores = store.load(MODEL), store.load(SCORES)
    assert model is not None
    assert scores is not None
    path.write_bytes(model)
    check_model(path, 3, problem.outputs)
    outputs = open_model(path).score(features[-20:])
    assert problem.check(outputs, 20) == ""
    assert outputs == pytest.approx(np.frombuffer(scores, np.float32).reshape(problem.shape(20)), abs=1e-5)
