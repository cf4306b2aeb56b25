"""`make status`: what runs, since when, and whether it answers."""

from __future__ import annotations

import time
from dataclasses import dataclass

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


def table(platform: Platform) -> str:
    lines = status(platform)
    if not lines:
        return f"no platform runs in {platform.home}: `make up` starts one"
    return "\n".join(map(_row, lines))


def _row(line: Line) -> str:
    since = f"{line.seconds:.0f} s" if line.pid else ""
    return f"{line.name:<14}{line.state:<9}{line.pid or '':<8}{since:>8}  {line.problem or 'healthy'}"
