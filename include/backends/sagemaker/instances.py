"""Which instance type a job gets: the one of the settings where the model's needs fit into it, else the smallest that has them.

Sizes are those of AWS's page of EC2 instance types (virtual CPUs, GiB of memory, GPUs), of the families that SageMaker has for
training as well as for processing. The order is by size within a family, and by what the families cost.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.core.errors import SpecError
from include.core.spec.resources import Resources


@dataclass(frozen=True)
class Instance:
    """`own_disk`: it has NVMe disks of its own, encrypted by the hardware; SageMaker takes no key for them. `accelerator`: its
    GPUs."""

    name: str
    cpus: int
    memory_gb: int
    gpus: int = 0
    own_disk: bool = False
    accelerator: str = ""

    def has(self, wanted: Resources) -> bool:
        large = self.cpus >= wanted.cpus and self.memory_gb >= wanted.memory_gb and self.gpus >= wanted.gpus
        return large and wanted.accelerator in ("", self.accelerator)


def _family(name: str, sizes: str, gpus: int = 0, *, own_disk: bool = False, accelerator: str = "") -> tuple[Instance, ...]:
    """`sizes`: `size:cpus:memory`, or with GPUs of its own `size:cpus:memory:gpus`."""
    found = []
    for each in sizes.split():
        size, *numbers = each.split(":")
        cpus, memory, *own = map(int, numbers)
        found.append(Instance(f"ml.{name}.{size}", cpus, memory, own[0] if own else gpus, own_disk, accelerator))
    return tuple(found)


KNOWN = (
    *_family("m5", "large:2:8 xlarge:4:16 2xlarge:8:32 4xlarge:16:64 12xlarge:48:192 24xlarge:96:384"),
    *_family("c5", "xlarge:4:8 2xlarge:8:16 4xlarge:16:32 9xlarge:36:72 18xlarge:72:144"),
    *_family("r5", "large:2:16 xlarge:4:32 2xlarge:8:64 4xlarge:16:128 8xlarge:32:256 12xlarge:48:384 24xlarge:96:768"),
    *_family(
        "g4dn", "xlarge:4:16 2xlarge:8:32 4xlarge:16:64 8xlarge:32:128 12xlarge:48:192:4 16xlarge:64:256",
        gpus=1, own_disk=True, accelerator="T4",
    ),
    *_family(
        "g5",
        "xlarge:4:16 2xlarge:8:32 4xlarge:16:64 8xlarge:32:128 16xlarge:64:256 "
        "12xlarge:48:192:4 24xlarge:96:384:4 48xlarge:192:768:8",
        gpus=1, own_disk=True, accelerator="A10G",
    ),
    *_family("p3", "2xlarge:8:61 8xlarge:32:244:4 16xlarge:64:488:8", gpus=1, accelerator="V100"),
    *_family("p4d", "24xlarge:96:1152:8", own_disk=True, accelerator="A100"),
    *_family("p5", "48xlarge:192:2048:8", own_disk=True, accelerator="H100"),
)  # fmt: skip
BY_NAME = {each.name: each for each in KNOWN}
NVME = ("g4dn", "g5", "g6", "g6e", "p4d", "p4de", "p5", "p5e", "p5en", "trn1", "trn1n", "trn2")
"""Families with disks of their own, those that are not in the list among them. So has one whose name says `d`: m5d, c5d."""


def instance(wanted: Resources, usual: str) -> str:
    """The type for these needs. `usual`: of the settings; taken where it has what is wanted, and where nothing is wanted.

    Raises SpecError where no type has it, and names all types; and where one machine will not do.
    """
    if wanted.elsewhere:
        raise SpecError(
            f"A job on SageMaker has one machine, and the spec's training.resources ask for {wanted.elsewhere}.",
            seen=wanted.model_dump(exclude_defaults=True),
            safe="no job was started.",
            hint="fit on one machine, or on a Ray cluster (SLIPSTREAM_JOB_BACKEND=ray).",
        )
    if _plain(wanted) == Resources():
        return usual
    known = BY_NAME.get(usual)
    if known is not None and known.has(wanted):
        return usual
    fitting = [each for each in KNOWN if each.has(wanted)]
    if not fitting:
        raise SpecError(
            "No instance type of SageMaker has what the spec's training.resources ask for.",
            seen=wanted.model_dump(),
            safe="no job was started.",
            hint=f"ask for less. The types, as cpus/GiB/GPUs: {', '.join(map(_shown, KNOWN))}.",
        )
    return min(fitting, key=lambda each: (each.gpus, each.cpus, each.memory_gb)).name


def _plain(wanted: Resources) -> Resources:
    """Without what one machine gives in any case: all workers on it."""
    return wanted.model_copy(update={"nodes": 0, "placement": "pack"})


def has_own_disk(name: str) -> bool:
    """Whether SageMaker refuses a key for its disk, for it has no volume that could be encrypted with one."""
    family = name.removeprefix("ml.").partition(".")[0]
    return family in NVME or family.endswith("d")


def _shown(each: Instance) -> str:
    gpus = f"{each.gpus} {each.accelerator}" if each.gpus else "0"
    return f"{each.name.removeprefix('ml.')} {each.cpus}/{each.memory_gb}/{gpus}"
