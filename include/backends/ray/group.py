"""A group of workers as torch and Lightning see it: where they meet, who they are, how their gradients come together."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch

# Both hold the group of the moment in which they are imported as a default, for ever: not first within a group, as DDP would.
import torch.distributed.nn.functional
import torch.distributed.optim
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed

from include.backends.lightning.plan import Place, Plan
from include.backends.lightning.sharded.strategy import ShardedStrategy
from include.backends.lightning.shares import PrivateDDP, SharedDDP, factor

if TYPE_CHECKING:
    from torch.distributed import TCPStore


@contextmanager
def in_group(
    plan: Plan, place: Place, address: tuple[str, int], opened: TCPStore | None, meet: timedelta, talk: timedelta
) -> Iterator[None]:
    """With torch's process group of these workers; the first has opened `address`. One worker alone needs none."""
    rank_zero_only.rank = place.rank  # type: ignore[attr-defined]  # of this process's former group it may be another
    if alone(plan, place):
        yield
        return
    host, port = address
    store = opened if place.rank == 0 and opened is not None else distributed.TCPStore(host, port, is_master=False, timeout=meet)
    backend = plan.devices.process_group
    distributed.init_process_group(backend, store=store, rank=place.rank, world_size=place.world, timeout=talk)
    try:
        yield
    finally:
        gc.collect()  # the fit's reducers hold the group
        distributed.destroy_process_group()


class RayEnvironment(ClusterEnvironment):
    """Each worker is to Lightning a node of one process: Ray has given it its devices, and whoever formed the group its rank."""

    def __init__(self, place: Place, address: tuple[str, int]) -> None:
        self._place, self._address = place, address

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self._address[0]

    @property
    def main_port(self) -> int:
        return self._address[1]

    @staticmethod
    def detect() -> bool:
        return False  # it is given, never guessed

    def world_size(self) -> int:
        return self._place.world

    def global_rank(self) -> int:
        return self._place.rank

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return self._place.rank

    def set_world_size(self, size: int) -> None:
        """It is as the group was formed."""

    def set_global_rank(self, rank: int) -> None:
        """It is as the group was formed."""


def trainer_arguments(plan: Plan, place: Place, address: tuple[str, int]) -> dict[str, Any]:
    """What a Trainer of this group is made with beside a fit's own."""
    if alone(plan, place):
        return {}
    return {"strategy": _strategy(plan, place), "plugins": [RayEnvironment(place, address)], "num_nodes": place.world}


def _strategy(plan: Plan, place: Place) -> DDPStrategy:
    share, backend = factor(plan.course, place), plan.devices.process_group
    if plan.strategy == "fsdp":
        device = torch.device("cuda", 0) if plan.devices.gpu else torch.device("cpu")
        return ShardedStrategy(device, share, process_group_backend=backend)
    if plan.privacy is not None:
        return PrivateDDP(process_group_backend=backend)
    return SharedDDP(share, process_group_backend=backend)


def alone(plan: Plan, place: Place) -> bool:
    """Whether the worker needs no process group: a model that is cut into rows is so by one as well."""
    return place.world == 1 and plan.strategy != "fsdp"
