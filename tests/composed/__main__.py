"""`make e2e-compose`: the image is built, docker/compose.yaml comes up in a network namespace of its own, and one model goes from
its features to its promotion through Celery. Every health check, every target and every rule of Prometheus is looked at; then all
of it is taken down. Prints what took how long, and exits with 1 where anything is not as it should be.

Needs root, Debian's docker.io, containerd, runc, iptables, tini and debootstrap, and compose as a plugin of docker. About twenty
minutes on two cores, 12 GB of disk and 8 GB of memory; docker/secrets is made for it where there is none, and left.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from include.core.table import table
from tests.composed import standins, wheels
from tests.composed.engine import Engine
from tests.support.deployment_files import COMPOSE, ROOT, compose

GATEWAYS = 2
ABSENT = ("grafana",)  # no package of Debian has it
ONCE = ("migrate", "mlflow-accounts")
UP = 900  # seconds
# No limits where the machine's engine cannot set them, and no image of a registry.
WITHOUT_LIMITS = "without-limits.yaml"


class Trial:
    def __init__(self, engine: Engine, folder: Path, files: list[str]) -> None:
        self._engine, self._folder, self._files = engine, folder, files
        self.rows: list[tuple[str, str, str]] = []
        self.wrong = 0

    def say(self, what: str, seconds: float, right: bool, seen: str = "") -> None:
        self.rows.append((what, f"{seconds:.0f} s", seen if right else f"{seen}   WRONG"))
        self.wrong += not right

    def compose(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        files = [part for path in self._files for part in ("-f", path)]
        return self._engine.docker("compose", *files, *arguments, text=text, check=check, GATEWAYS=str(GATEWAYS))

    def build(self) -> None:
        begun = time.monotonic()
        for name, image in images().items():
            if name in standins.STANDINS and self._engine.docker("image", "inspect", image, check=False).strip() in ("", "[]"):
                standins.make(name, image, self._folder, self._engine.docker)
        self.say("images that stand in", time.monotonic() - begun, True)
        begun = time.monotonic()
        arguments = {"PYTHON_IMAGE": images()["PYTHON_IMAGE"]}
        with ExitStack() as stack:
            if of_torch := wheels.found():
                arguments["TORCH_INDEX"] = stack.enter_context(wheels.index(of_torch))
            given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
            self._engine.docker("build", "--network=host", "-f", "docker/Dockerfile", "-t", "slipstream:local", *given, ".")
        size = int(self._engine.docker("image", "inspect", "--format", "{{.Size}}", "slipstream:local"))
        self.say("image built", time.monotonic() - begun, True, f"{size / 1e9:.1f} GB")

    def up(self) -> None:
        begun = time.monotonic()
        wanted = [name for name in compose()["services"] if name not in (*ABSENT, *ONCE)]
        self.compose("up", "-d", "--no-build", "--wait", f"--wait-timeout={UP}", *wanted)
        listed = self.compose("ps", "--format", "json")
        found = [each for line in listed.splitlines() for each in _as_list(json.loads(line))]
        bad = [each["Name"] for each in found if each["Service"] in wanted and each.get("Health") != "healthy"]
        self.say("up and healthy", time.monotonic() - begun, not bad and bool(found), f"{len(found)} containers {' '.join(bad)}")
        gateways = [each for each in found if each["Service"] == "gateway"]
        self.say("gateways", 0, len(gateways) == GATEWAYS, str(len(gateways)))
        self._closed([each["Name"] for each in found if each["Service"] not in ("postgres",)])

    def _closed(self, containers: list[str]) -> None:
        """No container but PostgreSQL's can write to its image, or holds a capability."""
        described = json.loads(self._engine.docker("inspect", *containers))
        writable = [each["Name"] for each in described if not each["HostConfig"]["ReadonlyRootfs"]]
        capable = [each["Name"] for each in described if each["HostConfig"]["CapDrop"] != ["ALL"]]
        self.say("read-only, without capabilities", 0, not writable and not capable, " ".join([*writable, *capable]))

    def life(self) -> None:
        password = json.loads((ROOT / "docker" / "secrets" / "airflow_passwords.json").read_text())["admin"]
        script = (Path(__file__).with_name("life.py")).read_text()
        environment = ("-e", f"AIRFLOW_PASSWORD={password}", "-e", f"GATEWAYS={GATEWAYS}")
        said = self.compose("exec", "-T", *environment, "worker", "python", "-", text=script, check=False)
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        for line in lines:
            self.say(line["what"], line["seconds"], line["right"])
        self.say("the model's life was run to its end", 0, bool(lines) and "alerts fire" in lines[-1]["what"])

    def memory(self) -> None:
        lines = self._engine.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
        print("\n".join(sorted(lines)))

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "60", check=False)


def _as_list(found: object) -> list[dict[str, str]]:
    return found if isinstance(found, list) else [found]  # type: ignore[list-item]


def images() -> dict[str, str]:
    """By variable, of docker/.env."""
    lines = (ROOT / "docker" / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "_IMAGE=" in line)


def write_without_limits(folder: Path) -> str:
    """A compose file that takes the limits away."""
    path = folder / WITHOUT_LIMITS
    services = {
        name: {"deploy": {"resources": {"limits": {"cpus": "0", "memory": "0", "pids": -1}}}} for name in compose()["services"]
    }
    path.write_text(yaml.safe_dump({"services": services}))
    return str(path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "dist" / "compose", help="the engine's data, kept between trials")
    parser.add_argument("--no-build", action="store_true", help="take the image that an earlier trial has built")
    parser.add_argument("--no-limits", action="store_true", help="where this machine's engine cannot bound a container")
    options = parser.parse_args(arguments)
    if missing := Engine.needed():
        print(
            f"compose: not installed: {', '.join(missing)}. Nothing was started. Next: see the top of tests/composed/__main__.py"
        )
        return 2
    folder = options.folder.absolute()
    engine = Engine(folder)
    subprocess.run(["bash", str(ROOT / "docker" / "make-secrets.sh")], check=True)
    trial = Trial(engine, folder, [str(COMPOSE), *([write_without_limits(folder)] if options.no_limits else [])])
    if not options.no_build:
        with engine.daemon(building=True):
            trial.build()
    with engine.daemon(building=False):
        try:
            trial.up()
            trial.life()
            trial.memory()
        finally:
            trial.down()
            print(table(("what", "took", "seen"), trial.rows))
    print(f"compose: {trial.wrong} of {len(trial.rows)} things are not as they should be")
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
