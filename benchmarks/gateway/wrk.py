"""The closed-loop load: wrk, its CPU measured beside what it measures."""

from __future__ import annotations

import json
import re
import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CONNECTIONS, SECONDS, REPEATS = 8, 3, 5
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local bodies = {%s}
local path, made, at = "%s", {}, 0
init = function() for n, body in ipairs(bodies) do made[n] = wrk.format(nil, path, nil, body) end end
request = function() at = at %% #made + 1 return made[at] end
done = function(summary, latency)
  io.write(string.format('RESULT {"rate": %%f, "p50": %%f, "p99": %%f, "bad": %%d}\\n', summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """Requests a second, latency in ms, wrong answers, and wrk's share of a core."""

    rate: float
    p50: float
    p99: float
    bad: int
    cpu: float


def script(path: str, bodies: Sequence[bytes], file: Path) -> Path:
    texts = ",".join(f"[==[{body.decode()}]==]" for body in bodies)
    file.write_text(_SCRIPT % (texts, path))
    return file


def run(url: str, lua: Path, seconds: float = SECONDS, connections: int = CONNECTIONS) -> Load:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(lua), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = re.search(r"RESULT (\{.*\})", done.stdout)
    if found is None:
        raise RuntimeError(f"wrk said no result: {done.stdout} {done.stderr}")
    return Load(**json.loads(found.group(1)), cpu=cpu / seconds)


def middle(loads: Sequence[Load]) -> Load:
    """The median of each figure; every wrong answer."""
    return Load(
        median(load.rate for load in loads),
        median(load.p50 for load in loads),
        median(load.p99 for load in loads),
        sum(load.bad for load in loads),
        median(load.cpu for load in loads),
    )
