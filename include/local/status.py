"""`make status`: what runs, since when, and whether it answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from include.core.table import table
from include.local.components import COMPONENTS
from include.local.credentials import Credentials
from include.local.platform import Platform
from include.local.supervisor import Supervisor


@dataclass(frozen=True)
class Line:
    name: str
    state: str  # supervisor's: RUNNING, STOPPED, BACKOFF, FATAL ...
    pid: int
    seconds: float  # since it was started
    problem: str  # "" if healthy


def status(platform: Platform) -> list[Line]:
    """A line for each server; empty where no platform runs."""
    supervisor = Supervisor(platform)
    if not supervisor.running():
        return []
    states, credentials = supervisor.states(), Credentials.load(platform.home)
    lines = []
    for component in (each for each in COMPONENTS if not each.once):
        state = states[component.name]
        running = state["statename"] == "RUNNING"
        problem = component.healthy(platform, credentials, float(state["start"])) if running else "not running"
        since = time.time() - state["start"] if running else 0.0
        lines.append(Line(component.name, state["statename"], int(state["pid"]), since, problem))
    return lines


def shown(platform: Platform, lines: Sequence[Line]) -> str:
    """`lines` as a person reads them."""
    if not lines:
        return f"no platform runs in {platform.home}: `make up` starts one"
    head = ("component", "state", "pid", "running for", "health")
    return table(head, [(line.name, line.state, line.pid or None, _since(line), line.problem or "healthy") for line in lines])


def _since(line: Line) -> str | None:
    return f"{line.seconds:.0f} s" if line.pid else None
