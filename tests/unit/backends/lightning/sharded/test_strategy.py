"""A sharded fit ends with the bytes of DDP's, killed or not. Several workers: tests/integration/test_sharded_fit.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.backends.lightning.plan import MODEL, SCORES, Place, Plan
from include.core.errors import SpecError
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from tests.support.later import Later
from tests.unit.backends.lightning.sharded.fits import PLAN, data

pytestmark = pytest.mark.lives

lightning, networks = Later("include.backends.lightning.fit"), Later("tests.unit.backends.lightning.networks")
sharded, kinds = Later("include.backends.lightning.sharded.strategy"), Later("tests.unit.backends.lightning.sharded.kinds")
torch = Later("torch")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path) -> Iterator[None]:
    """A process group of this process."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.fixture(autouse=True)
def _no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter takes seconds, and is tested elsewhere."""
    monkeypatch.setattr("include.backends.lightning.fit.export", lambda model, inputs, path, outputs: path.write_bytes(b"onnx"))
    monkeypatch.setattr("include.backends.lightning.sharded.export.export_rows", lambda *given: given[-1].write_bytes(b"onnx"))


def fit(folder: Path, kind: type, strategy: str = "fsdp", kill_at: int = 0) -> dict[str, bytes]:
    """What the fit left: its files by name, steps aside, whose digests are in their names."""
    seen: list[float] = []

    def build(plan: Plan, features: Any) -> Any:
        return type(kind.__name__, (kind,), {"kill_at": kill_at})(seen)

    store = CheckpointStore(LocalStorage(str(folder)), "c")
    more = {"strategy": sharded.ShardedStrategy(torch.device("cpu"))} if strategy == "fsdp" else {}
    lightning.fit_here(replace(PLAN, strategy=strategy), build, data(), lightning.Kept(store), Place(), devices=1, **more)
    return {name: store.load(name) or b"" for name in (SCORES, "history.json")}


KINDS = ["Freezes", "Net", "Accumulates", "Noisy", "Plateau", "ByStep", "Skips", "StopsInTheMiddle", "AtTheEnd"]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_fit_ends_as_an_undisturbed_one_and_as_one_that_is_not_sharded(kind: str, tmp_path: Path) -> None:
    network = getattr(networks, kind)
    whole = fit(tmp_path / "whole", network)
    assert whole == fit(tmp_path / "unsharded", network, "ddp")
    for kill_at in (7, 13 if kind == "StopsInTheMiddle" else 14):  # that one has no fourteenth batch
        with pytest.raises(networks.Killed):
            fit(tmp_path / str(kill_at), network, kill_at=kill_at)
        assert fit(tmp_path / str(kill_at), network) == whole, kill_at


@pytest.mark.whole
def test_a_fit_that_is_done_is_not_repeated(tmp_path: Path) -> None:
    whole = fit(tmp_path, networks.Net)
    (tmp_path / "c").glob("history*").__next__().unlink()
    assert fit(tmp_path, networks.Net, kill_at=1) == whole
    assert {path.name.split(".")[0] for path in (tmp_path / "c").glob("model*")} == {MODEL.split(".")[0]}


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["torn", "gone", "flipped", "manifest"])
def test_a_step_that_is_not_whole_is_left_for_an_older_one(how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = fit(tmp_path / "whole", networks.ByStep)
    with pytest.raises(networks.Killed):
        fit(tmp_path / "hurt", networks.ByStep, kill_at=8)  # saved at 3, 5 and 6
    newest = sorted((tmp_path / "hurt" / "c").glob("step-000000006.*" if how == "manifest" else "shard-000000006-*"))[0]
    content = bytearray(newest.read_bytes())
    content[-9] ^= 1
    newest.unlink() if how == "gone" else newest.write_bytes(content[:99] if how == "torn" else content)
    assert fit(tmp_path / "hurt", networks.ByStep) == whole
    assert "resumed at step 5 of 20" in caplog.text


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "says"),
    [("KeepsWhole", "in another shape"), ("Factored", "more than a row of a weight"), ("Manual", "optimizes by hand"),
     ("PutAside", "put aside when it was built"), ("Remembers", "holds a part of a weight"),
     ("CopiesToBuffer", "in the buffer"), ("MadeAnew", "makes layers anew"), ("KeepsObjects", "cannot be kept")],
)  # fmt: skip
def test_what_cannot_be_cut_is_refused(kind: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=says):
        fit(tmp_path, getattr(kinds, kind, None) or getattr(networks, kind))


def test_a_model_that_no_file_can_hold_is_refused_before_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.backends.lightning.sharded.units.LARGEST", 31)
    with pytest.raises(SpecError, match="too large for the one ONNX file"):
        fit(tmp_path, networks.Net)
    assert not (tmp_path / "c").exists()


def test_a_fit_that_ends_or_fails_leaves_no_weight_in_memory(tmp_path: Path) -> None:
    class Shown(networks.Net):
        def on_train_batch_start(self, *_: Any) -> None:
            held[:] = [parameter.to_local() for parameter in self.parameters()]

    held: list[Any] = []
    with pytest.raises(networks.Killed):
        fit(tmp_path, Shown, kill_at=7)
    failed = [each.untyped_storage().nbytes() for each in held]
    fit(tmp_path, Shown)
    assert failed == [each.untyped_storage().nbytes() for each in held] == [0, 0, 0, 0]


def test_a_group_of_ray_shares_a_model_out_where_the_plan_says_so() -> None:
    from include.backends.lightning.shares import SharedDDP
    from include.backends.ray.group import trainer_arguments

    given = [
        trainer_arguments(replace(PLAN, strategy=strategy), Place(1, 3), ("127.0.0.1", 1))["strategy"]
        for strategy in ("fsdp", "ddp")
    ]
    assert [type(each) for each in given] == [sharded.ShardedStrategy, SharedDDP]
    assert given[0].factor == given[1].factor == 15 / 16, "the second of three has 5 of 16 rows"
    assert given[0].root_device == torch.device("cpu")


@pytest.mark.whole
def test_a_model_may_make_its_layers_in_configure_model_and_mark_its_weights(tmp_path: Path) -> None:
    assert json.loads(fit(tmp_path, kinds.MadeLater)["history.json"])[-1]["step"] == 20
