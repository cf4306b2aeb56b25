"""Kills each machine in turn while the loop goes on, boots it again, and says how long it was away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Thread

from tests.e2e.cluster.boot import answers, listens, say
from tests.e2e.cluster.site import Site

OFF = 5.0  # seconds that a machine stays off
CALM = 20.0  # seconds between one that answers again and the next that is killed
PATIENCE = 300.0


@dataclass(frozen=True)
class Death:
    machine: str
    at: float  # as time.time() has it
    back: float | None  # seconds from the kill until it answers as before; None: it did not


@dataclass
class Reaper:
    """`start` returns at once; `deaths` grows."""

    site: Site
    order: Sequence[str]
    deaths: list[Death] = field(default_factory=list)

    def start(self) -> None:
        self._thread = Thread(target=self._run, daemon=True, name="reaper")
        self._thread.start()

    def wait(self) -> None:
        """Once every machine has been killed."""
        self._thread.join()

    def _run(self) -> None:
        for name in self.order:
            time.sleep(CALM)
            self.deaths.append(self._kill(name))

    def _kill(self, name: str) -> Death:
        machine, began, moment = self.site.machines[name], time.monotonic(), time.time()
        say(f"kill -9 {name}")
        machine.kill()
        time.sleep(OFF)
        machine.start()
        back = _until(self._healthy()[name], began)
        say(f"{name}: back after {back:.1f} s" if back is not None else f"{name}: NOT back after {PATIENCE:.0f} s")
        return Death(name, moment, back)

    def _healthy(self) -> Mapping[str, Callable[[], bool]]:
        site = self.site
        return {
            "data": lambda: listens(site, "postgres", 5432) and listens(site, "redis", 6379) and listens(site, "broker", 6380),
            "control": lambda: answers("http://api-server:8080/api/v2/monitor/health"),
            "worker-1": lambda: site.pings("worker-1"),
            "worker-2": lambda: site.pings("worker-2"),
            "ray": lambda: listens(site, "ray", 8265) and site.ray_nodes() >= 1,
            "ray-node": lambda: site.ray_nodes() == 2,
            "gateway-1": lambda: answers("http://gateway-1:8500/v2/health/ready") and answers("http://mlflow:5500/health"),
            "gateway-2": lambda: answers("http://gateway-2:8500/v2/health/ready"),
        }


def _until(look: Callable[[], bool], began: float) -> float | None:
    while not look():
        if time.monotonic() - began > PATIENCE:
            return None
        time.sleep(0.3)
    return time.monotonic() - began
