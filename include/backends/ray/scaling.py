"""From a spec's resources to what Ray is asked for: by a job's entry point, by each worker, and where the workers stand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from include.core.ports import Job
from include.core.spec.resources import RAY_SHARE, Resources

GIB = 1 << 30
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
    """What Ray reserves for each worker."""
    asked = {"CPU": float(wanted.cpus or RAY_SHARE), "GPU": float(wanted.gpus), "memory": float(int(wanted.memory_gb * GIB))}
    return {name: value for name, value in asked.items() if value}


def strategy(wanted: Resources, workers: int) -> str:
    """Of the workers' placement group: by the number of machines, where the spec has one."""
    if wanted.nodes == 1:
        return _PLACEMENTS["strict_pack"]
    if wanted.nodes and wanted.nodes >= workers:
        return _PLACEMENTS["strict_spread"]
    return _PLACEMENTS["spread" if wanted.nodes else wanted.placement]


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
