"""A module of torch, Lightning's too, to ONNX: one file, category codes made safe inside the graph, the problem's outputs out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from include.training.job import Floats, Input

SCORE_BATCH = 16384


LINKS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda logits: torch.softmax(logits, dim=1),
    "interval": lambda said: torch.stack(
        [said[:, 0], torch.minimum(said[:, 0], said[:, 1]), torch.maximum(said[:, 0], said[:, 2])], dim=1
    ),  # a value never lies outside its own interval
    "": lambda said: said,
}


class Probability(nn.Module):
    """Wraps a module that maps features [n, inputs] to what the outputs are made of (plan.Build); binary: to logits [n].

    A category code that is missing, negative or unseen becomes 0: ONNX's Gather refuses an index beyond
    the table, and reads the last row for -1 without a word.
    """

    category: Tensor
    size: Tensor

    def __init__(self, module: nn.Module, inputs: tuple[Input, ...], link: str = "sigmoid") -> None:
        super().__init__()
        self.module, self._link = module, LINKS[link]
        self.register_buffer("category", torch.tensor([item.is_category for item in inputs]))
        self.register_buffer("size", torch.tensor([float(max(item.size, 1)) for item in inputs]))

    def forward(self, features: Tensor) -> Tensor:
        # NaN fails both comparisons, so it counts as out of range too.
        known = (features >= 0) & (features < self.size)
        safe = torch.where(self.category & ~known, torch.zeros_like(features), features)
        said = self.module(safe)
        return self._link(said.reshape(-1) if said.ndim == 2 and said.shape[1] == 1 else said)


@torch.no_grad()  # in inference mode a sharded module could not gather its weights
def score(model: Probability, features: Floats) -> Floats:
    """float32 [n] or [n, k]: the outputs of `features` float32 [n, inputs]."""
    model.eval()
    parts = [model(torch.tensor(features[i : i + SCORE_BATCH])) for i in range(0, len(features), SCORE_BATCH)]
    return np.concatenate([part.cpu().numpy() for part in parts]).astype(np.float32)


def export(model: Probability, inputs: int, path: Path, outputs: Sequence[str] = ("score",)) -> None:
    """Write `model` as one ONNX file: `features` float32 [n, inputs] to the one output [n] by its name, or to all [n, k]."""
    model.eval()
    with quiet_exporter():
        torch.onnx.export(
            model,
            (torch.zeros(2, inputs),),
            path,
            input_names=["features"],
            output_names=[outputs[0] if len(outputs) == 1 else "outputs"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's advice."""
    for name in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it deprecates its own internals
        yield
