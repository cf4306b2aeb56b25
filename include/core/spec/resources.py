"""What a fit needs of the machines that it runs on: of each worker, and of how the workers stand to each other."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen

Accelerator = Literal["", "T4", "L4", "L40S", "V100", "A10G", "A100", "H100", "H200", "B200"]
RAY_SHARE = 0.5  # CPUs of a worker on Ray whose spec asks for none: two models may train on one machine, and scoring has its half
Placement = Literal["pack", "spread", "strict_pack", "strict_spread"]


class Resources(Frozen):
    """What each worker of a fit needs at least, and where the workers stand. A fit in one process is one worker."""

    cpus: int = Field(0, ge=0, le=192)
    """CPUs of each worker, which computes on as many threads. 0: as the platform says; on Ray half a CPU a worker."""

    memory_gb: float = Field(0.0, ge=0, le=24_576)
    """GiB of memory of each worker. 0: as the platform says."""

    gpus: int = Field(0, ge=0, le=16)
    """GPUs of each worker. 0: the fit computes on CPUs, whatever the machine has."""

    accelerator: Accelerator = ""
    """Which GPU it must be, as Ray names NVIDIA's. Empty: any. Only with `gpus`."""

    nodes: int = Field(0, ge=0, le=256)
    """On how many machines the workers stand: 1 is all on one, as many as there are workers is one on each. 0: as `placement`
    says."""

    placement: Placement = "pack"
    """How a cluster spreads the workers over its machines: `pack` on few, `spread` over many, where there is room;
    `strict_pack` on one, `strict_spread` on one each, or they wait until there is."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.accelerator and not self.gpus:
            raise ValueError(f"accelerator {self.accelerator!r} is a kind of GPU, and gpus is 0; say how many each worker needs")
        if self.nodes > 1 and self.placement == "strict_pack":
            raise ValueError(f'placement "strict_pack" is one machine, and nodes says {self.nodes}')
        if self.nodes == 1 and self.placement in ("spread", "strict_spread"):
            raise ValueError(f'nodes=1 is one machine, and placement says "{self.placement}"')
        return self

    @property
    def elsewhere(self) -> str:
        """What of it one machine alone cannot give, in words; empty where one will do."""
        if self.nodes > 1:
            return f"nodes={self.nodes}"
        return f"placement={self.placement!r}" if self.placement == "strict_spread" else ""
