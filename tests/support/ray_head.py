"""A real Ray head for tests: free ports, token authentication, a process group of its own."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from include.backends.ray.fork_client import SOCKET as FORK_SOCKET
from include.backends.ray.jobs import RayJobs
from include.core.digest import PROJECT
from include.core.errors import JobFailedError, PermanentError, UnreachableError
from include.core.ports import Job

FORK_SERVER = PROJECT / "include" / "backends" / "ray" / "fork_server.py"
RAY = Path(sys.executable).with_name("ray")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_ray_head(
    log: Path,
    cpus: int = 1,
    environ: Mapping[str, str] | None = None,
    hidden: Sequence[Path] = (),
    folder: Path | None = None,
    port: int = 0,
    warm: bool = False,
) -> Iterator[tuple[str, str]]:
    """(url, token). All its processes are gone afterwards, and its folder, which should have a short path.

    `environ`: what it and its jobs find in place of this process's environment. `hidden`: folders that are empty for them, where
    this user may have a mount namespace made. `port`: where other nodes find it (`RayNodes`), or any. `warm`: beside a fork
    server, which has imported what it will when the head answers.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="ray-"))
    token, dashboard = secrets.token_hex(16), free_port()
    (folder / "token").write_text(token)
    given = os.environ if environ is None else environ
    env = {name: value for name, value in given.items() if name != "RAY_ADDRESS"}
    env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_USAGE_STATS_ENABLED": "0"}
    env["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else Ray takes the machine's own address for 127.0.0.1
    command = [
        str(RAY), "start", "--head", "--block", f"--port={port or free_port()}", "--node-ip-address=127.0.0.1",
        "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--ray-client-server-port={free_port()}",
        "--dashboard-agent-listen-port=0", "--min-worker-port=0", "--max-worker-port=0",
        f"--num-cpus={cpus}", f"--temp-dir={folder}", "--object-store-memory=100000000",
    ]  # fmt: skip
    server = fork_server(folder, env, log.with_suffix(".warm")) if warm else None
    with log.open("wb") as output:
        head = subprocess.Popen([*_without(hidden), *command], env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait(RayJobs(f"http://127.0.0.1:{dashboard}", token), head, log)
        if server is not None:
            _wait_warm(server, log.with_suffix(".warm"))
        yield f"http://127.0.0.1:{dashboard}", token
    finally:
        head.terminate()  # Ray ends its own processes; what is left of the group after that is killed
        with suppress(subprocess.TimeoutExpired):
            head.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        if server is not None:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def fork_server(folder: Path, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """With its socket in the folder. What is started in the environment `env` from here on finds it."""
    env[FORK_SOCKET] = str(folder / "warm.sock")
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", str(FORK_SERVER), env[FORK_SOCKET]],
            env=env, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def _wait_warm(server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while b"forks for" not in log.read_bytes():
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the fork server did not start:\n{log.read_text()}")
        time.sleep(0.1)


def submit(jobs: RayJobs, job: Job) -> None:
    """Once the head's agent is there, which comes later than its dashboard."""
    deadline = time.monotonic() + 60
    while True:
        try:
            jobs.submit(job)
        except JobFailedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def may_hide() -> bool:
    """Whether this user may have a mount namespace made."""
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


def _without(folders: Sequence[Path]) -> list[str]:
    """What a command line begins with, for a process to which these folders are empty."""
    if not folders:
        return []
    mounts = " && ".join(f"mount -t tmpfs none {shlex.quote(str(folder))}" for folder in folders)
    return ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


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
