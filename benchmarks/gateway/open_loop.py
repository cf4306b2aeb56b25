"""An open loop: Poisson arrivals, sent by a program in C; latency counts from the moment a request was due.

A server that stalls so pays for everybody it kept waiting. How late the generator itself noticed a request is
measured with it: a run in which that is over 2 ms at p99 says nothing.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

SOURCE = Path(__file__).with_name("poisson.c")
Report = dict[str, float]


def program(home: Path) -> Path:
    """The generator, compiled into `home` once."""
    built = home / "poisson"
    if not built.exists():
        subprocess.run(["cc", "-O2", "-o", str(built), str(SOURCE)], check=True)
    return built


def generate(url: str, bodies: Sequence[bytes], home: Path, rate: float, seconds: float, connections: int = 64) -> Report:
    """`rate`: requests a second on average, for that many seconds. The report's times are milliseconds."""
    parts = urlsplit(url)
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    requests = [head % (parts.path.encode(), len(body), body) for body in bodies]
    (home / "requests").write_bytes(b"".join(struct.pack("=I", len(each)) + each for each in requests))
    gaps = np.random.default_rng(1).exponential(1 / rate, int(rate * seconds))
    np.cumsum(gaps).tofile(home / "arrivals")
    command = [str(program(home)), parts.hostname or "127.0.0.1", str(parts.port), str(connections)]
    subprocess.run([*command, *(str(home / name) for name in ("arrivals", "requests", "outcomes"))], check=True)
    return report(np.fromfile(home / "outcomes").reshape(-1, 3))


def report(outcomes: np.ndarray) -> Report:
    """`outcomes` (n, 3): lag and latency in seconds, status. `good` and `refused` (429) are counts, `bad` the rest."""
    lag, latency, status = outcomes.T
    good = latency[status == 200] * 1e3 if (status == 200).any() else np.array([np.nan])
    counts = {"good": int((status == 200).sum()), "refused": int((status == 429).sum())}
    return {
        "lag99": float(np.percentile(lag * 1e3, 99)),
        "p50": float(np.percentile(good, 50)),
        "p99": float(np.percentile(good, 99)),
        "p999": float(np.percentile(good, 99.9)),
        **counts,
        "bad": len(outcomes) - sum(counts.values()),
    }
