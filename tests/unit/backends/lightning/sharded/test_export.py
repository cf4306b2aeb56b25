"""The file that is written blob by blob is the one that the exporter writes of the whole module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.lightning.plan import Place, Plan
from include.core.errors import IntegrityError
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input
from tests.support.later import Later
from tests.unit.backends.lightning.sharded.fits import PLAN

pytestmark = pytest.mark.lives

exporting, rows = Later("include.backends.lightning.sharded.export"), Later("include.backends.lightning.sharded.rows")
exported, state = Later("include.backends.lightning.export"), Later("include.backends.lightning.state")
served, torch = Later("tests.unit.backends.lightning.sharded.served"), Later("torch")
onnx, onnxruntime = Later("onnx"), Later("onnxruntime")

GIVEN = replace(PLAN, inputs=(*PLAN.inputs, Input("kind", 5)))


def finished(store: CheckpointStore, module: Any, world: int = 2) -> dict[str, Any]:
    """The state of a finished fit of `module`, as `world` workers leave it."""
    records = []
    for rank in range(world):
        place = Place(rank, world)
        mine = [
            rows.Rows("weight", name, rows.rows_of(len(value), place).start, value.detach()[rows.rows_of(len(value), place)])
            for name, value in module.named_parameters()
        ]
        records += rows.save_rows(store, 20, place, mine)
    whole = {name: value for name, value in module.state_dict().items() if name not in dict(module.named_parameters())}
    trainer, workers = {"state_dict": whole}, [state.capture(module, [])]
    return {"step": 20, "shards": records, "layout": rows.layout(module, []), "trainer": trainer, "workers": workers}


def build(plan: Plan, features: Any) -> Any:
    return served.Served()


@pytest.mark.whole
def test_the_file_is_the_one_of_the_whole_module(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, store = served.Served(), CheckpointStore(LocalStorage(tmp_path), "c")
    module.mean.fill_(0.3)
    exporting.export_rows(GIVEN, build, None, store, finished(store, module), tmp_path / "sharded.onnx")
    wrapped = exported.Probability(module, GIVEN.inputs)
    exported.export(wrapped, 4, tmp_path / "whole.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "sharded.onnx"), full_check=True)
    draw = np.random.default_rng(0)
    features = np.concatenate([draw.normal(size=(50, 3)), draw.integers(-1, 7, (50, 1))], axis=1).astype(np.float32)
    said = [
        onnxruntime.InferenceSession(tmp_path / f"{name}.onnx").run(None, {"features": features})[0]
        for name in ("sharded", "whole")
    ]
    np.testing.assert_allclose(said[0], said[1], rtol=0, atol=2e-7)
    np.testing.assert_allclose(said[0], exported.score(wrapped, features), rtol=0, atol=2e-7)
    kept = {each.name: each for each in onnx.load(tmp_path / "sharded.onnx").graph.initializer}
    for name, value in module.named_parameters():
        name = "tied.weight" if name == "table.weight" else name  # of two names of one weight the exporter keeps the last
        assert np.array_equal(onnx.numpy_helper.to_array(kept[f"module.{name}"]), value.detach().numpy()), name


def test_a_checkpoint_that_lacks_rows_makes_no_file_that_looks_whole(tmp_path: Path) -> None:
    store, weights = CheckpointStore(LocalStorage(tmp_path), "c"), torch.rand(4, 2)
    shards = [
        rows.save_rows(store, 20, Place(rank, 2), [rows.Rows("weight", "a", 2 * rank, weights[2 * rank :][:2])])[0]
        for rank in (0, 1)
    ]
    with (tmp_path / "file").open("w+b") as file:
        exporting.fill(file, {"a": (8, 32)}, store, {"step": 20, "shards": shards})
        assert (file.seek(8), file.read()) == (8, weights.numpy().tobytes())
        with pytest.raises(IntegrityError, match="lacks rows"):
            exporting.fill(file, {"a": (8, 32)}, store, {"step": 20, "shards": shards[1:]})


@pytest.mark.parametrize("value", [0, 127, 128, 300, 2**31 - 1])
def test_a_length_is_written_as_protobuf_writes_it(value: int) -> None:
    written = exporting.field_head(9, value)
    length = onnx.TensorProto(int64_data=[value]).SerializeToString()[2:]  # a packed list of one
    assert written == b"\x4a" + length
