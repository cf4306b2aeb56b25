"""`make e2e-pods`: the chart's pods under `podman kube play`, as their manifests say: user, read-only root, capabilities, limits.

Each is started in turn on PostgreSQL, Redis and S3 of this machine, asked what its probes ask, looked at from outside (user,
capabilities, privileges, what can be written), and ended by SIGTERM. Podman plays pods and no cluster: no scheduling, no probes,
no policies, no operator. Needs podman, runc and debootstrap, and root. Exit status 1 where anything is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from include.core.table import table
from tests.pods import manifests
from tests.pods.engine import Engine, site_packages
from tests.pods.manifests import Ports
from tests.pods.servers import HOST, free_port, servers
from tests.support.deployment_files import ROOT

WRITABLE = {"/": False, "/opt/slipstream": False, "/etc": False, "/tmp": True, "/var/lib/slipstream": True}
READY = {"gateway": "/v2/health/ready", "mlflow": "/health", "ray": "/api/gcs_healthz"}
PARTS = ("upgrade", "gateway", "mlflow", "mlflow-accounts", "ray")
ENDS = ("upgrade", "mlflow-accounts")
WAIT = 180.0  # seconds
SETTINGS = "settings.yaml"
GRACE = 60  # seconds that a pod is given to end, as the chart gives the gateway


class Trial:
    def __init__(self, engine: Engine, ports: Ports) -> None:
        self._engine, self._ports = engine, ports
        self.rows: list[tuple[str, str, str]] = []
        self.wrong = 0

    def play(self, part: str, packages: Path, folder: Path) -> None:
        begun = time.monotonic()
        pod = manifests.pod(part, self._ports, packages, folder)
        container = f"{part}-{pod['spec']['containers'][0]['name']}"
        self._engine.play([pod], folder / SETTINGS)
        if part in ENDS:
            code = self._engine.run("wait", container).strip()
            self._say(part, "ended", f"status {code}, {time.monotonic() - begun:.0f} s", code == "0", container)
            return
        self._say(part, "ready", *self._answered(part, container, begun), container)
        if self._engine.inspect(container)["State"]["Running"]:
            for what, seen, right in self._closed(container, part):
                self._say(part, what, seen, right, container)

    def stop(self, part: str) -> None:
        pod = manifests.pod(part, self._ports, Path("/"), Path("/"))
        container = f"{part}-{pod['spec']['containers'][0]['name']}"
        begun = time.monotonic()
        self._engine.run("stop", f"--time={GRACE}", container)
        code = self._engine.inspect(container)["State"]["ExitCode"]
        took = time.monotonic() - begun
        # Ray's head ends with 1, or as a process that a signal ended.
        right = took < GRACE and (code == 0 or part == "ray")
        self._say(part, "ended by SIGTERM", f"status {code}, {took:.1f} s", right, container)

    def _answered(self, part: str, container: str, begun: float) -> tuple[str, bool]:
        port = {"gateway": self._ports.gateway, "mlflow": self._ports.mlflow, "ray": self._ports.ray}[part]
        url, said = f"http://{HOST}:{port}{READY[part]}", ""
        while time.monotonic() - begun < WAIT:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return f"HTTP {answer.status} after {time.monotonic() - begun:.0f} s", True
            except (OSError, urllib.error.URLError) as error:
                said = str(error)
            if not self._engine.inspect(container)["State"]["Running"]:
                return f"it ended: {said}", False
            time.sleep(1)
        return f"not within {WAIT:.0f} s: {said}", False

    def _closed(self, container: str, part: str) -> Iterator[tuple[str, str, bool]]:
        """(what, seen, whether it is right), of the process as the kernel has it."""
        state = self._engine.inspect(container)
        lines = Path(f"/proc/{state['State']['Pid']}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        yield "user", status["Uid"].split()[0], status["Uid"].split() == ["50000"] * 4
        yield "capabilities", status["CapEff"], int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        yield "no new privileges", status["NoNewPrivs"], status["NoNewPrivs"] == "1"
        yield "memory limit", str(state["HostConfig"]["Memory"]), state["HostConfig"]["Memory"] > 0
        for folder, writable in WRITABLE.items():
            script = f"touch {folder}/.trial && rm {folder}/.trial && echo yes"
            written = self._engine.run("exec", container, "sh", "-c", script, check=False).strip() == "yes"
            yield folder, "written" if written else "not written", written is writable
        if part == "gateway":
            yield "log has no secret", *_without_secrets(self._engine.logs(container))

    def _say(self, part: str, what: str, seen: str, right: bool, container: str) -> None:
        self.rows.append((part, what, seen if right else f"{seen}   WRONG"))
        if not right:
            self.wrong += 1
            print(f"--- {container}\n{self._engine.logs(container)[-3000:]}", file=sys.stderr)


def _without_secrets(text: str) -> tuple[str, bool]:
    found = [word for word in (manifests.TOKEN, "key-of-the-trial", "of-this-trial") if word in text]
    return f"{len(text.splitlines())} lines", not found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="some alone; `upgrade` makes the schema for others"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "dist" / "pods", help="where images are kept between trials")
    options = parser.parse_args(arguments)
    engine = Engine.prepared(options.folder.absolute())
    if engine is None:
        return 2
    ports = Ports(free_port(), free_port(), free_port())
    packages = site_packages()
    trial = Trial(engine, ports)
    with tempfile.TemporaryDirectory(prefix="pods-") as folder, servers(Path(folder)) as found:
        (Path(folder) / SETTINGS).write_text(json.dumps(manifests.settings(ports)))
        try:
            for name, values in manifests.secrets(found, ports).items():
                engine.keep(name, values)
                manifests.write_files(Path(folder), name, values)
            for part in options.parts:
                trial.play(part, packages, Path(folder))
            for part in options.parts:
                if part not in ENDS:
                    trial.stop(part)
        finally:
            engine.clear()
            print(table(("pod", "what", "seen"), trial.rows))
    print(f"pods: {trial.wrong} of {len(trial.rows)} things are not as they should be")
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
