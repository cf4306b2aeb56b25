"""What being seen from outside costs a prediction: traces off, on, one of a hundred recorded, all of them. In turns.

`BEFORE=folder` (an older checkout, with this environment's packages) is measured in the same turns: what is off costs nothing.
Each turn is a process (benchmarks/gateway/in_process.py) without sockets, by its processor time: of its rounds the quickest
tenth, and of the turns the median. A busy machine disturbs that least. Each checkout serves from a world of its own making, for
stores are of a release.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.table import Table
from include.core.digest import PROJECT
from tests.support.otlp_collector import running_collector

TURNS, SECONDS = 7, 3
MOST_OFF, MOST_UNRECORDED, MOST_SAMPLED = 1.03, 1.05, 1.20  # of the time without: off; on, none recorded; one of a hundred
SHARE = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
MEASURE = PROJECT / "benchmarks" / "gateway" / "in_process.py"
Target = tuple[Path, dict[str, str]]  # a checkout, and what its environment has beside


# Run in a checkout, with the folder to fill: prints the environment of what serves from it.
MAKE = """
import json, sys
from pathlib import Path
from benchmarks.gateway.world import World, network

world = World(Path(sys.argv[1]))
world.register("plain", 1, network(1))
world.route("plain", champion=1, challenger=None, weight=0)
print(json.dumps({**world.environ, "CODE": str(world.home / "code")}))
"""


def run(table: Table, home: Path) -> None:
    with running_collector() as collector:
        targets: dict[str, Target] = {"off": (PROJECT, {})}
        if before := os.environ.get("BEFORE"):
            targets = {"before": (Path(before).resolve(), {}), **targets}
        for name, share in (("0 %", "0"), ("1 %", "0.01")):
            targets[name] = (PROJECT, collector.environ(**SHARE, OTEL_TRACES_SAMPLER_ARG=share, OTEL_BSP_SCHEDULE_DELAY="1000"))
        targets["all"] = (PROJECT, collector.environ(OTEL_BSP_SCHEDULE_DELAY="1000"))
        table.head(f"Traces: processor time of a prediction without features, {TURNS} turns of {SECONDS} s")
        worlds = {
            project: _made(project, home / str(place)) for place, project in enumerate({each for each, _ in targets.values()})
        }
        spent: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(TURNS):
            for name, (project, environ) in targets.items():
                spent[name].append(_measured(project, {**worlds[project], **environ}))
        times = {name: median(some) for name, some in spent.items()}
        for name, some in spent.items():
            table.say(f"{name:7} {times[name]:6.1f} us each, of {min(some):.1f} to {max(some):.1f}")
        if before:
            table.row("off, of the time before", times["off"] / times["before"], "", most=MOST_OFF)
        table.row("on and not recorded, of the time off", times["0 %"] / times["off"], "", most=MOST_UNRECORDED)
        table.row("one of a hundred recorded, of the time off", times["1 %"] / times["off"], "", most=MOST_SAMPLED)
        table.row("all recorded, of the time off", times["all"] / times["off"], "")
        table.row("spans that came to the collector", len(collector.spans), "", least=1)


def _made(project: Path, home: Path) -> dict[str, str]:
    """The environment of a gateway of that checkout, over stores that the checkout has made."""
    home.mkdir()
    made: dict[str, str] = json.loads(_python(project, {"PYTHONPATH": str(project)}, "-c", MAKE, str(home)))
    code = made.pop("CODE")
    return {**made, "PYTHONPATH": f"{project}{os.pathsep}{code}"}


def _measured(project: Path, environ: dict[str, str]) -> float:
    """Microseconds of a request, in a process of its own."""
    rounds: list[float] = json.loads(_python(project, environ, str(MEASURE), str(SECONDS)))
    return rounds[len(rounds) // 10]


def _python(project: Path, environ: dict[str, str], *arguments: str) -> str:
    """What it prints. Its errors are seen as they come."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env={**os.environ, **environ}, cwd=project, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
