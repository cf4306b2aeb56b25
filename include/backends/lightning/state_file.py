"""The file of a checkpoint: a torch state dict of tensors and plain values, read with `weights_only=True`: no pickle is run."""

from __future__ import annotations

import io
import logging
from typing import Any

import torch

log = logging.getLogger(__name__)

# step, world, done, trainer (Lightning's own checkpoint), workers (by rank: what lightning_state takes), accumulate, gradients,
# history, losses, metrics (those in no batch of the spool); of a sharded one, shards and layout (sharded/rows.py) as well
State = dict[str, Any]


def read_state(data: bytes) -> State | None:
    """A checkpoint's content, or None if it was written before checkpoints held all of the state."""
    state: State = load_tensors(data)
    if "trainer" in state:
        return state
    log.warning("the checkpoint of step %s is of an older form that lacks state: the fit begins anew", state.get("step"))
    return None


def load_tensors(data: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return loaded


def write_state(state: State) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
