"""What a result has cost: the attempts that led to it, those that were killed included, by the ledger's own marks.

Seconds of the attempt that committed are those of its step. An attempt that ended without a result counts from its opening to the
moment that it was said to be over: at most so much, since it may have waited for a machine. One that nobody has ended is unknown.

CPUs are those that were reserved (`training.resources.cpus`; on Ray half a CPU a worker where the spec asks for none), else the
processor's time as it was measured. GPUs and memory are what was reserved. What is none of these is unknown, and stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from include.core.ledger import Ledger, Tried
from include.core.request import Result
from include.core.spec.resources import RAY_SHARE
from include.costs.prices import HOUR, Prices, money


@dataclass(frozen=True)
class Spent:
    """`seconds` of the wall clock, hours of CPU and GPU, GiB-hours of memory; None: unknown. `at_most`: a limit, not measured."""

    step: str
    attempt: int
    seconds: float | None
    cpu_hours: float | None
    gpu_hours: float | None
    memory_gb_hours: float | None
    at_most: bool = False
    reason: str = ""

    def money(self, prices: Prices) -> float | None:
        hours = {"cpu_hour": self.cpu_hours, "gpu_hour": self.gpu_hours, "memory_gb_hour": self.memory_gb_hours}
        return money(hours, prices)

    def to_json(self) -> dict[str, Any]:
        return {name: round(value, 9) if isinstance(value, float) else value for name, value in asdict(self).items()}


def spent_on(ledger: Ledger, result: Result) -> list[Spent]:
    """Every attempt of a result's generation, first to last. One that was opened after the commit did nothing and is left out."""
    step = result.key.partition("/")[0]
    return [_spent(step, each, result) for each in ledger.tried(result.key, result.generation) if each.number <= result.attempt]


def _spent(step: str, tried: Tried, result: Result) -> Spent:
    machine, made = tried.machine, tried.number == result.attempt
    if made:
        seconds: float | None = result.seconds
    else:
        seconds = (tried.ended - tried.opened).total_seconds() if tried.ended else None
    measured = result.cpu_seconds if made else None
    resources, workers = machine.get("resources", {}), int(machine.get("workers", 1))

    def reserved(each: float) -> float | None:
        return None if seconds is None and each else (seconds or 0.0) / HOUR * each * workers

    gpus, memory = (reserved(float(resources.get(name, 0))) if machine else None for name in ("gpus", "memory_gb"))
    cpus = _cpus(machine)
    used = None if measured is None else measured / HOUR
    cpu_hours = reserved(cpus) if cpus else used
    return Spent(step, tried.number, seconds, cpu_hours, gpus, memory, not made, tried.reason)


def _cpus(machine: Mapping[str, Any]) -> float:
    """That were reserved for each worker; 0 where none were, and their time counts as it was measured."""
    asked = float(machine.get("resources", {}).get("cpus", 0))
    on_ray = machine.get("backend") == "ray" and int(machine.get("workers", 1)) > 1
    return asked or (RAY_SHARE if on_ray else 0.0)


def total(parts: Iterable[float | None]) -> tuple[float | None, int]:
    """The sum of what is known (None where nothing is), and how many are unknown."""
    every = list(parts)
    known = [each for each in every if each is not None]
    return (sum(known) if known else None), len(every) - len(known)
