"""On what a fit of Lightning computes: which device, in which numbers, on how many threads, and how its workers speak.

Chosen from the spec alone, and never from what a machine happens to have: the same spec computes on the same kind of device
wherever it runs, or is refused there. Imports no torch: the driver of a distributed fit needs none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from include.core.errors import SpecError
from include.core.spec.resources import Resources

# A batch of a small network gains nothing from a second thread, and OpenMP's threads spin while they wait for
# each other: on a busy machine two took 147 s for what one did in 2 s. A spec that asks for CPUs gets as many.
THREADS = 1
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16-mixed": "16-mixed"}  # as Lightning's Trainer names them
_SAFE = "nothing was trained; checkpoints that exist are kept."


@dataclass(frozen=True)
class Devices:
    gpu: bool = False
    precision: str = "32"
    threads: int = THREADS
    accelerator: str = ""
    """Which GPU the spec asks for; empty: any."""

    @classmethod
    def of(cls, wanted: Resources, precision: str = "32") -> Devices:
        """Raises SpecError for what no worker of Lightning's can use."""
        if wanted.gpus > 1:
            raise SpecError(
                "A worker of a Lightning fit computes on one GPU, and training.resources ask for more of each.",
                seen={"gpus": wanted.gpus},
                safe=_SAFE,
                hint=f"say workers={wanted.gpus} and resources.gpus=1: each worker has one, and they share every batch.",
            )
        if precision == "16-mixed" and not wanted.gpus:
            raise SpecError(
                'training.precision "16-mixed" needs a GPU: on CPUs float16 is slower than float32 and loses gradients.',
                seen={"gpus": wanted.gpus},
                safe=_SAFE,
                hint='ask for training.resources.gpus=1, or say precision="bf16", which CPUs compute.',
            )
        return cls(wanted.gpus > 0, precision, max(THREADS, wanted.cpus), wanted.accelerator)

    @property
    def process_group(self) -> str:
        """The backend of torch.distributed: gradients go by NCCL between GPUs; what stays on CPUs (numbers of the platform's,
        objects) goes by gloo beside it."""
        return "cpu:gloo,cuda:nccl" if self.gpu else "gloo"

    @property
    def pinned(self) -> bool:
        """Whether batches lie in pinned memory, from which a GPU copies while it computes. On CPUs it would cost a copy."""
        return self.gpu

    def trainer(self) -> dict[str, Any]:
        """Arguments of pl.Trainer. Lightning itself would quietly take bfloat16 for float16 where there is no GPU."""
        return {"accelerator": "gpu" if self.gpu else "cpu", "devices": 1, "precision": PRECISIONS[self.precision]}

    def settle(self) -> None:
        """Set this process's threads. Raises SpecError where it does not see the GPU that the spec asks for."""
        import torch

        torch.set_num_threads(self.threads)
        if not self.gpu:
            return
        seen = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
        if not seen:
            build = f"torch {torch.__version__} is built for {torch.version.cuda or 'CPUs alone'}"
            raise SpecError(
                f"This worker was to compute on a GPU and sees none: {build}, and CUDA finds no device.",
                safe=_SAFE,
                hint="install torch's CUDA build where the fit runs (requirements/torch-default.txt) and NVIDIA's driver; or "
                "leave training.resources.gpus at 0.",
            )
        if self.accelerator and self.accelerator not in re.split(r"[^A-Za-z0-9]+", seen):
            raise SpecError(
                f"This worker was given another GPU than training.resources.accelerator asks for, which is {self.accelerator}.",
                seen=seen,
                safe=_SAFE,
                hint="ask for the one that is there, or for any (an empty name).",
            )
        if self.precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise SpecError(
                'This GPU does not compute in bfloat16, which training.precision "bf16" asks for.',
                seen=seen,
                safe=_SAFE,
                hint='say precision="16-mixed", or ask for a newer one: training.resources.accelerator such as "A100".',
            )
