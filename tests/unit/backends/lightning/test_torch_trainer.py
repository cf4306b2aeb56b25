"""A module of plain torch gives what it computes, for every kind of problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from include.backends.lightning.torch_trainer import finish
from include.backends.onnx.model import open_model
from include.core.errors import SpecError
from include.training.train_step import verify
from tests.support.trained_jobs import KINDS, job_of


class Network(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, interval: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.interval = interval

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.layer(torch.nan_to_num(features).clamp(-10, 10))
        if not self.interval:
            return found
        width = nn.functional.softplus(found[:, 1:])
        return torch.stack([found[:, 0], found[:, 0] - width[:, 0], found[:, 0] + width[:, 1]], dim=1)


QUICK = "multiclass"  # a binary label is what test_fit trains


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=() if kind == QUICK else pytest.mark.thorough) for kind in KINDS])
def test_the_file_gives_what_the_module_does(tmp_path: Path, kind: str) -> None:
    job = job_of(kind, tmp_path)
    finish(Network(len(job.inputs), len(job.outputs), interval=kind == "interval"), job)
    verify(job)
    assert np.abs(open_model(job.model_path).score(job.validation.features) - job.expected[0]).max() < 1e-5


def test_a_model_of_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes one tensor"):
        finish(nn.Linear(1, 1), job_of("binary", tmp_path, "columns"))
