"""A real Ray head for tests: free ports, token authentication, a process group of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from include.backends.ray.jobs import RayJobs
from include.core.errors import PermanentError, UnreachableError

RAY = Path(sys.executable).with_name("ray")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_ray_head(log: Path, cpus: int = 1) -> Iterator[tuple[str, str]]:
    """(url, token). All its processes are gone afterwards."""
    folder, token, port = Path(tempfile.mkdtemp(prefix="ray-")), secrets.token_hex(16), free_port()  # Ray wants short paths
    (folder / "token").write_text(token)
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_USAGE_STATS_ENABLED": "0"}
    env["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else Ray takes the machine's own address for 127.0.0.1
    command = [
        str(RAY), "start", "--head", "--block", f"--port={free_port()}", "--node-ip-address=127.0.0.1",
        "--dashboard-host=127.0.0.1", f"--dashboard-port={port}", f"--ray-client-server-port={free_port()}",
        "--dashboard-agent-listen-port=0", "--min-worker-port=0", "--max-worker-port=0",
        f"--num-cpus={cpus}", f"--temp-dir={folder}", "--object-store-memory=100000000",
    ]  # fmt: skip
    with log.open("wb") as output:
        head = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait(RayJobs(f"http://127.0.0.1:{port}", token), head, log)
        yield f"http://127.0.0.1:{port}", token
    finally:
        head.terminate()  # Ray ends its own processes; what is left of the group after that is killed
        with suppress(subprocess.TimeoutExpired):
            head.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(jobs: RayJobs, head: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and head.poll() is None:
        try:
            jobs.status("nothing")
        except (UnreachableError, PermanentError):
            time.sleep(0.3)
        else:
            return
    raise RuntimeError(f"the Ray head did not start:\n{log.read_text()[-2000:]}")
