"""Plain torch in an author's `fit`: a trained module, written as the ONNX file that serves. Imports no Lightning.

    from include.backends.lightning.torch_trainer import finish

    def fit(job):
        network = Network(len(job.inputs), len(job.outputs))
        ...  # train it as you like
        finish(network, job)

The module maps features float32 [n, inputs] (NaN where one is missing, a category its code) to logits [n] of a binary label, to
logits [n, classes], to a regression's value [n] or its outputs [n, 3], or to a ranking's score [n].
"""

from __future__ import annotations

import numpy as np
from torch import nn

from include.backends.lightning.export import Probability, export, score
from include.core.errors import SpecError
from include.training.job import TrainingJob


def finish(module: nn.Module, job: TrainingJob) -> None:
    """Write the trained module to `job.model_path`, and say what it gives for the validation rows.

    Raises SpecError for a model that takes columns.
    """
    if job.named:
        raise SpecError(
            "A module of torch takes one tensor of numbers.", seen={"training.inputs": "columns"}, safe="no file was written.",
            hint='leave training.inputs at "tensor", or write an ONNX file of columns by other means.',
        )  # fmt: skip
    served = Probability(module, job.inputs, job.problem.link)
    job.expect(np.concatenate([score(served, rows.features) for rows in job.validation.batches()]))
    export(served, len(job.inputs), job.model_path, job.outputs)
