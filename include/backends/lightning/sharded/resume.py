"""Where a sharded fit goes on: the newest step of which all blobs are whole, for all workers the same."""

from __future__ import annotations

import logging

import torch.distributed as dist

from include.backends.lightning.plan import Place
from include.backends.lightning.sharded.rows import whole
from include.backends.lightning.state_file import State, read_state
from include.training.checkpoint import CheckpointStore

log = logging.getLogger(__name__)


def agree_on_step(store: CheckpointStore, place: Place) -> State | None:
    """The state to resume from, each worker having looked at its share of the blobs; None to begin anew."""
    steps = [store.steps() if place.rank == 0 else []]
    dist.broadcast_object_list(steps, 0)
    for step in reversed(steps[0]):
        data = store.load_step(step)
        state = read_state(data) if data is not None else None
        good = [False] * place.world
        dist.all_gather_object(good, state is not None and "shards" in state and whole(store, state, place))
        if all(good):
            return state
        if place.rank == 0:
            log.warning("the checkpoint of step %d is not whole: an older one is looked for", step)
    return None
