"""More nodes for a test's Ray head, on the same machine: raylets with names of their own, which are killed as machines are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

# Ray takes the machine's own address for 127.0.0.1, unless it is told that there are no clusters here; then no node may join.
COMMAND = "from ray._private import services as s; s.resolve_ip_for_localhost = lambda host: host; \
from ray.scripts.scripts import main; main()"


@dataclass
class RayNodes:
    """They join the head at `port`, whose folder is `folder` (its token is there)."""

    port: int
    folder: Path
    cpus: float = 1
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def _environ(self) -> dict[str, str]:
        environ = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
        token = str(self.folder / "token")
        return {**environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token, "RAY_USAGE_STATS_ENABLED": "0"}

    def start(self, name: str) -> None:
        """A node of that name. Returns before it has joined, once it has its sockets: two at once take those of one name."""
        command = [
            sys.executable, "-c", COMMAND, "start", "--block", f"--address=127.0.0.1:{self.port}", "--node-ip-address=127.0.0.1",
            f"--node-name={name}", f"--num-cpus={self.cpus:g}", "--min-worker-port=0", "--max-worker-port=0",
            "--object-store-memory=100000000", "--dashboard-agent-listen-port=0",
        ]  # fmt: skip
        with (self.folder / f"{name}.log").open("wb") as output:
            self.processes[name] = subprocess.Popen(
                command, env=self._environ, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + 60
        log = self.folder / f"{name}.log"
        while "Ray runtime started" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.2)

    def kill(self, name: str) -> None:
        """All of the node's processes at once, as when its machine is gone."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def drain(self, name: str, url: str, seconds: int = 60) -> None:
        """The notice that a node is to go in so many seconds, as a spot machine's handler gives it. `url`: of the head."""
        token = (self.folder / "token").read_text()
        client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60)
        listed = client.get("/api/v0/nodes?limit=100").json()["data"]["result"]["result"]
        (node,) = (each["node_id"] for each in listed if each["node_name"] == name and each["state"] == "ALIVE")
        command = [
            sys.executable, "-c", COMMAND, "drain-node", f"--address=127.0.0.1:{self.port}", f"--node-id={node}",
            "--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot", f"--deadline-remaining-seconds={seconds}",
        ]  # fmt: skip
        done = subprocess.run(command, env=self._environ, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)
