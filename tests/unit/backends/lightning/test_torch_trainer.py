"""A module of plain torch gives what it computes, for every kind of problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.backends.onnx.model import open_model
from include.core.errors import SpecError
from include.training.train_step import verify
from tests.support.later import Later
from tests.support.trained_jobs import KINDS, job_of

pytestmark = pytest.mark.lives  # torch takes seconds to import

trainer, networks = Later("include.backends.lightning.torch_trainer"), Later("tests.unit.backends.lightning.network_of_kind")

QUICK = "multiclass"  # a binary label is what test_fit trains


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=() if kind == QUICK else pytest.mark.thorough) for kind in KINDS])
def test_the_file_gives_what_the_module_does(tmp_path: Path, kind: str) -> None:
    job = job_of(kind, tmp_path)
    trainer.finish(networks.Plain(len(job.inputs), len(job.outputs), interval=kind == "interval"), job)
    verify(job)
    assert np.abs(open_model(job.model_path).score(job.validation.features) - job.expected[0]).max() < 1e-5


def test_a_model_of_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes one tensor"):
        trainer.finish(networks.Plain(1, 1, interval=False), job_of("binary", tmp_path, "columns"))
