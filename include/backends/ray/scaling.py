"""From a spec's resources to what Ray is asked for: by a job's entry point, by each worker, and where the workers stand."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from include.core.errors import TimeLimitError
from include.core.needs import Needs
from include.core.ports import Job
from include.core.spec.resources import Resources

log = logging.getLogger(__name__)

GIB = 1 << 30
SHARE = 0.5  # CPUs of a worker whose spec asks for none: the head's other half is for batch scoring, and two models may train
KIND = "accelerator_type:"
A_BIT = 0.001  # of the resource by which a node says what its GPUs are
LOOK = 30.0  # seconds between two lines about machines that are waited for
LONGEST = timedelta(days=1)  # that machines are waited for where the spec has no time limit
EARLY = 5.0  # seconds before the attempt is stopped from outside, so that the job's own words are kept
SHOWN = ("CPU", "GPU", "memory")
_PLACEMENTS = {"pack": "PACK", "spread": "SPREAD", "strict_pack": "STRICT_PACK", "strict_spread": "STRICT_SPREAD"}


def entry_point(job: Job) -> dict[str, Any]:
    """Of a request to the Jobs API: what the job itself reserves. With workers it does nothing but wait for them."""
    wanted = job.resources
    if job.workers > 1:
        return {}
    asked: dict[str, Any] = {
        "entrypoint_num_cpus": wanted.cpus,
        "entrypoint_num_gpus": wanted.gpus,
        "entrypoint_memory": int(wanted.memory_gb * GIB),
        "entrypoint_resources": {f"{KIND}{wanted.accelerator}": A_BIT} if wanted.accelerator else None,
    }
    return {name: value for name, value in asked.items() if value}


def per_worker(wanted: Resources) -> dict[str, float]:
    """`resources_per_worker` of a ScalingConfig."""
    asked = {"CPU": float(wanted.cpus or SHARE), "GPU": float(wanted.gpus), "memory": float(int(wanted.memory_gb * GIB))}
    return {name: value for name, value in asked.items() if value}


def strategy(wanted: Resources, workers: int) -> str:
    """`placement_strategy` of a ScalingConfig: by the number of machines, where the spec has one."""
    if wanted.nodes == 1:
        return _PLACEMENTS["strict_pack"]
    if wanted.nodes and wanted.nodes >= workers:
        return _PLACEMENTS["strict_spread"]
    return _PLACEMENTS["spread" if wanted.nodes else wanted.placement]


def scaling(wanted: Resources, workers: int) -> dict[str, Any]:
    """Arguments of a ScalingConfig, beside `num_workers`."""
    asked: dict[str, Any] = {
        "resources_per_worker": per_worker(wanted),
        "placement_strategy": strategy(wanted, workers),
        "use_gpu": wanted.gpus > 0,
        "accelerator_type": wanted.accelerator or None,
    }
    return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True)
class Reservation:
    """Bundles of a placement group that is there once all workers have their place."""

    bundles: tuple[Mapping[str, float], ...]
    strategy: str

    @classmethod
    def of(cls, wanted: Resources, workers: int) -> Reservation:
        each, where = dict(per_worker(wanted)), strategy(wanted, workers)
        if wanted.accelerator:
            each[f"{KIND}{wanted.accelerator}"] = A_BIT
        if 1 < wanted.nodes < workers:  # so many machines, each with room for its share of the workers
            share = math.ceil(workers / wanted.nodes)
            each = {name: value * share for name, value in each.items()}
            return cls((each,) * wanted.nodes, _PLACEMENTS["strict_spread"])
        return cls((each,) * workers, where)

    def __str__(self) -> str:
        return f"{len(self.bundles)} x [{amounts(self.bundles[0])}], {self.strategy.lower()}"


def wait_for_room(needs: Needs, workers: int) -> None:
    """Return once the cluster has room for that many workers. It is told of them meanwhile, so that it may grow.

    What is asked for, what there is and what is free is logged for as long as it waits. Raises TimeLimitError when the time of
    the attempt is over; without a time limit after a day.
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    wanted = Reservation.of(needs.resources, workers)
    began = time.time()
    until = needs.until - EARLY if needs.until else began + LONGEST.total_seconds()
    group = placement_group([dict(each) for each in wanted.bundles], strategy=wanted.strategy)
    try:
        while not group.wait(timeout_seconds=max(0.1, min(LOOK, until - time.time()))):
            words = shortage(str(wanted), ray.cluster_resources(), ray.available_resources())
            if time.time() >= until:
                raise _too_few(words, time.time() - began, needs)
            log.warning("Waiting for machines, %.0f s so far: %s", time.time() - began, words)
    finally:
        remove_placement_group(group)


def shortage(asked: str, total: Mapping[str, float], free: Mapping[str, float]) -> str:
    """What is asked for, what the cluster has, what of it is free: one line."""
    return f"asked for {asked}; the cluster has {amounts(total)}; free: {amounts(free)}"


def amounts(resources: Mapping[str, float]) -> str:
    """Such as `4 CPU, 1 GPU, 16.0 GiB memory, A100`."""
    said = []
    for name in SHOWN:
        value = float(resources.get(name, 0))
        if name == "memory":
            said += [f"{value / GIB:.1f} GiB memory"] if value else []
        elif value or name == "CPU":
            said.append(f"{value:g} {name}")
    return ", ".join([*said, *sorted(name.removeprefix(KIND) for name in resources if name.startswith(KIND))])


def _too_few(words: str, waited: float, needs: Needs) -> TimeLimitError:
    limit = f"training.time_limit is {timedelta(seconds=needs.seconds)}" if needs.until else "there is no training.time_limit"
    return TimeLimitError(
        f"The cluster had no room for the workers of this fit for {timedelta(seconds=round(waited))} ({limit}): {words}.",
        safe="nothing was trained; checkpoints that exist are kept.",
        hint="ask for machines that there are (training.resources, for one run its parameter `resources`), add nodes to the "
        "cluster, or end what holds them; then clear the task.",
    )
