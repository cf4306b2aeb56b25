"""A container engine of its own: its data under one folder, its networks in a network namespace that nothing else is in.

Two daemons take turns on the same data. The first builds, on this machine's network and without any network of its own; the
second runs what was built, in its own namespace, where its bridges, addresses and rules touch nothing of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.deployment_files import ROOT

NEEDED = ("docker", "dockerd", "containerd", "runc", "iptables", "tini", "debootstrap", "unshare")
BUILDING = ("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
STARTING = 60.0  # seconds


class Engine:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._socket = folder / "docker.sock"

    @staticmethod
    def needed() -> list[str]:
        missing = [name for name in NEEDED if shutil.which(name) is None]
        compose = (
            subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
            if "docker" not in missing
            else None
        )
        return missing + (["docker compose"] if compose is not None and compose.returncode else [])

    @contextmanager
    def daemon(self, *, building: bool) -> Iterator[None]:
        """A daemon, until the block ends."""
        command = [
            "dockerd", f"--data-root={self._folder / 'data'}", f"--exec-root={self._folder / 'exec'}", f"--host=unix://{self._socket}",
            f"--pidfile={self._folder / 'docker.pid'}", "--storage-driver=overlay2", *(BUILDING if building else ()),
        ]  # fmt: skip
        if not building:
            command = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *command]
        (self._folder / "docker.pid").unlink(missing_ok=True)
        with (self._folder / "daemon.log").open("a") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                self._wait(process)
                yield
            finally:
                process.terminate()
                process.wait(60)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + STARTING
        while subprocess.run(["docker", "version"], env=self.environ(), capture_output=True, check=False).returncode:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the engine did not start: {(self._folder / 'daemon.log').read_text()[-1500:]}")
            time.sleep(0.5)

    def environ(self, **more: str) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": f"unix://{self._socket}", "DOCKER_BUILDKIT": "1", **more}

    def docker(self, *arguments: str, text: str | None = None, check: bool = True, **more: str) -> str:
        done = subprocess.run(
            ["docker", *arguments], env=self.environ(**more), input=text, capture_output=True, text=True, check=False, cwd=ROOT
        )
        if check and done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments[:6])}: {(done.stderr or done.stdout).strip()[-3000:]}")
        return done.stdout
