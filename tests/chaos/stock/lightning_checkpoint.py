"""Row: Lightning's ModelCheckpoint and `ckpt_path="last"`, with TMPDIR on another file system than the checkpoints."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from include.core.fault import point
from tests.chaos.protocol import Absent, Call, Cell, Clear, Kill, State, Variant
from tests.chaos.stock.step import StockStep
from tests.chaos.world import World

ELSEWHERE = Path("/dev/shm")  # a file system of its own
STEPS, EVERY = 20, 4
NO_FILE_SYSTEM = Absent("the row is about one process and its files")


class LightningCheckpoint(StockStep):
    name = "lightning_checkpoint"
    title = "checkpoint: Lightning, TMPDIR elsewhere"
    promise = "the training ends, with the weights of the undisturbed one"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(("stock.step",))),),
        "F2": (Variant(Kill(("stock.saved",))),),
        "F3": (Variant(Kill(("stock.half",))),),
        "F4": (Variant(Kill(("stock.done",))),),
        "F5": NO_FILE_SYSTEM,
        "F6": Absent("its errors name no bytes: nothing to compare"),
        "F7": NO_FILE_SYSTEM,
        "F8": NO_FILE_SYSTEM,
        "F9": (Variant(Clear()),),
        "F10": NO_FILE_SYSTEM,
    }

    def work(self, world: World, call: Call) -> Any:
        folder = Path(tempfile.mkdtemp(dir=ELSEWHERE))
        try:
            with mock.patch.object(tempfile, "tempdir", str(folder)), half_copied():
                return fit(world.home / "checkpoints")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def left(self, world: World) -> State:
        return {}


def fit(folder: Path) -> str:
    """Digest of the final weights."""
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.callbacks import ModelCheckpoint

    class Model(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 512)  # some 400 KB a checkpoint with its optimizer

        def training_step(self, batch: Any, at: int) -> Any:
            point("stock.step")
            return self.layer(batch[0]).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    class Saved(ModelCheckpoint):
        def _save_checkpoint(self, trainer: Any, filepath: str) -> None:
            super()._save_checkpoint(trainer, filepath)
            point("stock.saved")

    pl.seed_everything(7, verbose=False)
    rows = torch.utils.data.TensorDataset(torch.randn(STEPS * 8, 64))
    saver = Saved(dirpath=folder, every_n_train_steps=EVERY, save_last=True)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", devices=1, logger=False, callbacks=[saver],
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    model = Model()
    last = folder / "last.ckpt"
    trainer.fit(model, torch.utils.data.DataLoader(rows, batch_size=8), ckpt_path=str(last) if last.exists() else None)
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()[:16]


@contextmanager
def half_copied() -> Iterator[None]:
    """A fail point in the middle of copying from one file system to another, which is what a move then is."""

    def copy(source: Any, target: Any, *arguments: Any) -> None:
        size = os.fstat(source.fileno()).st_size
        for part in (size // 2, size - size // 2):
            target.write(source.read(part))
            target.flush()
            point("stock.half")

    with mock.patch.object(shutil, "_fastcopy_sendfile", copy):
        yield


STEP = LightningCheckpoint()
