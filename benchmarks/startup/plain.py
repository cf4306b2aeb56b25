"""Plain Lightning: the same network by DDP in two processes of this machine, as its documentation starts them.

python -m benchmarks.startup.plain FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from benchmarks.startup.stamps import stamp, stamped
from include.backends.lightning.plan import Course, Plan
from include.training.job import Input

ROWS, BATCH, EPOCHS = 1200, 64, 1


def main(argv: list[str]) -> int:
    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from include.models.flight_delay.network import FlightDelay
    from tests.support.training_example import NETWORK

    folder = Path(argv[0])
    stamp(folder, "imported")
    torch.set_num_threads(1)
    draw = np.random.default_rng(0)
    features = draw.normal(size=(ROWS, 3)).astype(np.float32)
    features[:, 2] = draw.integers(1, 5, ROWS)
    plan = Plan((Input("wind"), Input("hour"), Input("carrier", 5)), NETWORK, Course(ROWS, BATCH, EPOCHS, 7), 25)
    data = TensorDataset(torch.tensor(features), torch.tensor(draw.integers(0, 2, ROWS).astype(np.float32)))
    trainer = pl.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(stamped(FlightDelay(plan, features), folder), DataLoader(data, BATCH))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main(sys.argv[1:]))
