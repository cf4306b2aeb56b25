"""What this machine has for a computation: CPUs, memory, GPUs. Asked without any library of computing.

Limits of the container count before the machine's size: a process that takes more than them is killed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from include.core.environment import CUDA_VISIBLE
from include.core.errors import SpecError
from include.core.spec.resources import Resources

GIB = 1 << 30
DRIVER = Path("/proc/driver/nvidia/gpus")
MEMINFO = Path("/proc/meminfo")
_SLOW = 20.0  # seconds that nvidia-smi may take


@dataclass(frozen=True)
class Hardware:
    """`gpus`: the name of each, as its driver says it."""

    cpus: int
    memory_gb: float
    gpus: tuple[str, ...] = ()

    def missing(self, wanted: Resources) -> list[str]:
        """What one process with these needs would lack here, in words; empty: it can begin."""
        named = (
            [gpu for gpu in self.gpus if wanted.accelerator in re.split(r"[^A-Za-z0-9]+", gpu)]
            if wanted.accelerator
            else self.gpus
        )
        kind = f" {wanted.accelerator}" if wanted.accelerator else ""
        lacks = [
            f"{wanted.cpus} CPUs, of which there are {self.cpus}" if wanted.cpus > self.cpus else "",
            f"{wanted.memory_gb:g} GiB of memory, of which there are {self.memory_gb:.1f}"
            if wanted.memory_gb > self.memory_gb
            else "",
            f"{wanted.gpus} GPUs{kind}, of which there are {len(named)}" if wanted.gpus > len(named) else "",
            f"{wanted.elsewhere}, and this is one machine" if wanted.elsewhere else "",
        ]
        return list(filter(None, lacks))


def require_hardware(wanted: Resources, where: str) -> None:
    """Raises SpecError where this machine has not what one process needs. `where`: what would have run here."""
    if wanted == Resources():
        return
    found = this_hardware(gpus=wanted.gpus > 0)
    if lacks := found.missing(wanted):
        raise SpecError(
            f"This machine has not what training.resources ask for: {'; '.join(lacks)}.",
            seen=wanted.model_dump(exclude_defaults=True),
            safe="nothing was started.",
            hint=f"{where} runs here alone: ask for less (for one run: its parameter `resources`), or use a backend with "
            "such machines (SLIPSTREAM_JOB_BACKEND=ray or sagemaker).",
        )


def this_hardware(*, gpus: bool = True) -> Hardware:
    """What this process may use. `gpus`: whether to look for them, which may ask a program."""
    return Hardware(len(os.sched_getaffinity(0)), _memory() / GIB, _gpus() if gpus else ())


def _memory() -> int:
    """Bytes: the machine's, or the least of what its cgroup and those above allow."""
    from include.core.cgroup import limit

    found = re.search(r"MemTotal:\s+(\d+) kB", MEMINFO.read_text())
    total = int(found[1]) * 1024 if found else 0
    allowed = limit()
    return min(total, allowed) if allowed else total


def _gpus() -> tuple[str, ...]:
    """The GPUs of NVIDIA's driver that this process may see."""
    names = _of_driver() or _of_program()
    if not CUDA_VISIBLE.is_set():
        return names
    chosen = [each.strip() for each in CUDA_VISIBLE.read().split(",") if each.strip() and each.strip() != "-1"]
    known = [names[int(each)] for each in chosen if each.isdigit() and int(each) < len(names)]
    return tuple(known) if all(each.isdigit() for each in chosen) else names[: len(chosen)]  # else by ids: so many of them


def _of_driver() -> tuple[str, ...]:
    found = []
    for path in sorted(DRIVER.glob("*/information")):
        model = re.search(r"Model:\s+(.+)", path.read_text(errors="replace"))
        found.append(model[1].strip() if model else "GPU")
    return tuple(found)


def _of_program() -> tuple[str, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        asked = [program, "--query-gpu=name", "--format=csv,noheader"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_SLOW, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # a driver that does not answer has no GPU to give
        return ()
    return tuple(line.strip() for line in said.splitlines() if line.strip())
