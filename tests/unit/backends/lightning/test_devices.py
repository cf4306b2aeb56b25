"""On what a fit computes follows from its spec alone; what a machine cannot compute is refused, never replaced in silence."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from include.backends.lightning.devices import Devices
from include.backends.lightning.plan import Course, Place, Plan
from include.core.errors import SpecError
from include.core.spec.resources import Resources
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows
from tests.support.later import Later

lightning = Later("include.backends.lightning.fit")
networks = Later("tests.unit.backends.lightning.networks")

GPU = Resources(gpus=1, accelerator="A100")


def test_without_gpus_in_the_spec_a_fit_computes_on_one_thread_of_a_cpu_in_float32() -> None:
    plain = Devices.of(Resources())
    assert plain == Devices()
    assert plain.trainer() == {"accelerator": "cpu", "devices": 1, "precision": "32-true"}
    assert (plain.process_group, plain.pinned, plain.threads) == ("gloo", False, 1)
    assert Devices.of(Resources(cpus=4)).threads == 4


@pytest.mark.parametrize(("precision", "named"), [("32", "32-true"), ("bf16", "bf16-mixed"), ("16-mixed", "16-mixed")])
def test_with_a_gpu_in_the_spec_batches_are_pinned_and_gradients_go_by_nccl(precision: str, named: str) -> None:
    devices = Devices.of(GPU, precision)
    assert devices.trainer() == {"accelerator": "gpu", "devices": 1, "precision": named}
    assert devices.process_group == "cpu:gloo,cuda:nccl"  # what the platform exchanges lies on the CPU
    assert devices.pinned


def test_what_no_worker_can_use_is_refused_with_the_way_out() -> None:
    with pytest.raises(SpecError, match=r"(?s)one GPU.*workers=4"):
        Devices.of(Resources(gpus=4))
    with pytest.raises(SpecError, match=r"(?s)16-mixed.*needs a GPU.*bf16"):
        Devices.of(Resources(), "16-mixed")
    assert Devices.of(Resources(), "bf16").trainer()["precision"] == "bf16-mixed"


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A machine with the GPU that the test puts here; without one by default."""
    import torch

    has: dict[str, Any] = {"name": "", "bf16": True}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(has["name"]))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: has["name"])
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has["bf16"])
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: has.update(threads=threads))
    return has


@pytest.mark.lives
def test_a_worker_that_sees_no_gpu_says_so_and_trains_nothing(cuda: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"(?s)sees none: torch .* is built for .*torch-default\.txt"):
        Devices.of(GPU).settle()
    Devices.of(Resources(cpus=3)).settle()
    assert cuda["threads"] == 3


@pytest.mark.lives
def test_a_gpu_that_only_emulates_bfloat16_is_refused_it(cuda: dict[str, Any]) -> None:
    cuda |= {"name": "Tesla T4", "bf16": False}
    with pytest.raises(SpecError, match=r"(?s)Tesla T4.*16-mixed"):
        Devices.of(Resources(gpus=1), "bf16").settle()
    Devices.of(Resources(gpus=1), "16-mixed").settle()


@pytest.mark.lives
def test_a_worker_is_given_the_gpu_that_the_spec_names(cuda: dict[str, Any]) -> None:
    cuda |= {"name": "NVIDIA L4"}
    with pytest.raises(SpecError, match=r"(?s)A100.*NVIDIA L4"):
        Devices.of(GPU).settle()
    cuda |= {"name": "NVIDIA A100-SXM4-80GB"}
    Devices.of(GPU).settle()


_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(256, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)


def fit(folder: Path, precision: str, computed: list[Any]) -> tuple[Any, CheckpointStore]:
    """The trained module, and what was left; `computed` gets the type of each batch's logits."""

    class Net(networks.Net):  # type: ignore[misc, name-defined]
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            computed.append(self(batch[0]).dtype)
            return super().training_step(batch, batch_idx)

    modules, store = list[Any](), CheckpointStore(LocalStorage(str(folder)), "c")

    def build(plan: Plan, features: Any) -> Any:
        modules.append(Net([]))
        return modules[0]

    devices = Devices.of(Resources(), precision)
    plan = Plan(tuple(Input(name) for name in "abc"), {}, Course(256, 32, 3, 7), checkpoint_every=4, devices=devices)
    data = lightning.Data(Rows(X, Y), Rows(X[:64], Y[:64]))
    lightning.fit_here(plan, build, data, lightning.Kept(store), Place())
    return modules[0], store


@pytest.mark.lives
def test_a_fit_in_bfloat16_computes_in_it_on_a_cpu_and_keeps_its_weights_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr("include.backends.lightning.fit.export", lambda model, inputs, path, outputs: path.write_bytes(b"onnx"))
    weights, seen = [], list[Any]()
    for precision, computed in (("bf16", torch.bfloat16), ("32", torch.float32)):
        module, store = fit(tmp_path / precision, precision, seen)
        assert set(seen) == {computed}
        seen.clear()
        assert {value.dtype for value in module.state_dict().values()} == {torch.float32}
        newest = store.newest()
        assert newest is not None
        kept = torch.load(io.BytesIO(newest[1]), weights_only=True)["trainer"]["state_dict"]
        assert {value.dtype for value in kept.values()} == {torch.float32}
        weights.append(torch.cat([value.flatten() for value in module.state_dict().values()]))
    assert not torch.equal(weights[0], weights[1])  # it is another fit, and so of another key
    assert torch.allclose(weights[0], weights[1], atol=0.05)


@pytest.mark.lives
@pytest.mark.thorough
def test_the_model_of_a_fit_in_bfloat16_is_float32_and_scores_as_the_module_does(tmp_path: Path) -> None:
    import onnxruntime

    _, store = fit(tmp_path, "bf16", [])
    scores = np.frombuffer(store.load("validation-scores") or b"", np.float32)
    session = onnxruntime.InferenceSession(store.load("model.onnx") or b"")
    assert session.get_inputs()[0].type == session.get_outputs()[0].type == "tensor(float)"
    assert np.abs(session.run(None, {"features": X[:64]})[0] - scores).max() < 1e-6
    assert float(np.mean((scores > 0.5) == (Y[:64] > 0.5))) > 0.8


@pytest.mark.lives
def test_the_process_group_of_a_gpu_reduces_on_the_cpu_as_well() -> None:
    """Ray Train tells torch the name as it is: torch knows it, and takes gloo for what lies on the CPU."""
    import torch.distributed as dist

    config = dist.BackendConfig(dist.Backend(Devices.of(GPU).process_group))
    assert config.get_device_backend_map() == {"cpu": "gloo", "cuda": "nccl"}


@pytest.mark.lives
def test_batches_are_pinned_where_a_gpu_reads_them() -> None:
    data = Later("include.backends.lightning.data")
    rows = Rows(np.zeros((8, 2), np.float32), np.zeros(8, np.float32))
    for pinned in (False, True):
        feed = data.BatchData(rows, rows, Course(8, 4, 1, 7), 0, Place(), pinned=pinned)
        feed.trainer = SimpleNamespace(current_epoch=0)
        assert feed.train_dataloader().pin_memory is pinned
        assert feed.val_dataloader().pin_memory is pinned


@pytest.mark.lives
def test_the_bench_says_plainly_that_there_is_no_gpu_and_knows_the_peak_of_one(
    cuda: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Later("benchmarks.gpu")
    assert bench.main([]) == 0
    assert capsys.readouterr().out.startswith("No GPU is present here")
    size = bench.Size(width=1000, depth=10, batch=1)
    assert bench.mfu(size, 1e6, "NVIDIA A100-SXM4-80GB", "bf16") == pytest.approx(6e13 / 312e12)
    assert bench.mfu(size, 1e6, "NVIDIA A100-SXM4-80GB", "32") == pytest.approx(6e13 / 19.5e12)
    assert bench.mfu(size, 1e6, "Another GPU", "bf16") == 0.0
