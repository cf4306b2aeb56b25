"""Where the trials of a search run: here one after the other, in processes of this machine, or on the cluster of the job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.core.adapters import adapter
from include.core.environment import RAY_ADDRESS
from include.training.search.engine import Executor
from include.training.search.leg import Material, run_leg
from include.training.search.pool import in_processes
from include.training.search.records import Found, Leg, Records


class Here:
    """One leg after the other, when its result is waited for."""

    def __init__(self, material: Material, records: Records) -> None:
        self._material, self._records = material, records

    def submit(self, leg: Leg) -> None: ...

    def result(self, leg: Leg) -> Found:
        return run_leg(leg, self._material, self._records)


@contextmanager
def opened(material: Material, records: Records, concurrent: int, workdir: Path) -> Iterator[Executor]:
    """On Ray where the job runs there (RAY_ADDRESS is set); a search of one trial at a time needs nobody else."""
    if concurrent == 1:
        yield Here(material, records)
    elif RAY_ADDRESS.read():
        with adapter("search.ray")(material, records, concurrent) as executor:
            yield executor
    else:
        with in_processes(material, records, concurrent, workdir) as executor:
            yield executor
