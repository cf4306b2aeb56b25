"""Podman with a storage and a configuration of its own: what it makes goes with its folder, and the machine's is not touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

POLICY = {"default": [{"type": "insecureAcceptAnything"}]}  # the one image is made here
# No more open files and processes than a container may ask for where this was written.
SETTINGS = """\
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STANDIN = "localhost/slipstream:standin"
# Of docker/Dockerfile, whose packages and sources lie elsewhere here: they are mounted (tests/pods/manifests.py).
SETUP = {
    "ENV": ("PATH=/opt/slipstream/bin:/usr/local/bin:/usr/bin:/bin", "PYTHONPATH=/opt/project:/opt/site", "PYTHONUNBUFFERED=1",
            "PYTHONDONTWRITEBYTECODE=1", "MLFLOW_DISABLE_TELEMETRY=true", "RAY_USAGE_STATS_ENABLED=0"),
    "WORKDIR": ("/opt/project",),
    "USER": ("slipstream",),
}  # fmt: skip
LAUNCHERS = {
    "python": 'exec /usr/bin/python3 "$@"',
    "mlflow": 'exec /usr/bin/python3 -m mlflow "$@"',
    "slipstream": 'exec /usr/bin/python3 -m include.cli.main "$@"',
    "ray": 'exec /usr/bin/python3 -c "import sys; from ray.scripts.scripts import main; sys.argv[0] = \'ray\'; main()" "$@"',
}
PACKAGES = "ca-certificates,python3,curl,bash"


class Engine:
    """`folder` holds everything; `needed` names what is not installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "policy.json").write_text(json.dumps(POLICY))
        (folder / "containers.conf").write_text(SETTINGS)

    @classmethod
    def prepared(cls, folder: Path) -> Engine | None:
        """One that holds the stand-in image and nothing else. None, with a line of what to install, where podman is not there."""
        if missing := cls.needed():
            print(f"pods: not installed: {', '.join(missing)}. Nothing was started. Next: apt-get install {' '.join(missing)}")
            return None
        engine = cls(folder)
        engine.clear()
        engine.standin()
        return engine

    @staticmethod
    def needed() -> list[str]:
        return [name for name in ("podman", "runc", "catatonit", "debootstrap") if shutil.which(name) is None]

    def run(self, *arguments: str, check: bool = True, text: str | None = None, both: bool = False) -> str:
        """What podman printed. Raises CalledProcessError with what it said of a failure."""
        where = (f"--root={self._folder / 'storage'}", f"--runroot={self._folder / 'run'}", "--storage-driver=overlay")
        environ = {**os.environ, "CONTAINERS_CONF": str(self._folder / "containers.conf")}
        done = subprocess.run(
            ["podman", *where, *arguments], env=environ, input=text, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"podman {' '.join(arguments)}: {(done.stderr or done.stdout).strip()[-1500:]}")
        return done.stdout + done.stderr if both else done.stdout

    def standin(self) -> None:
        """The image: Debian's Python, the user and the folders of docker/Dockerfile. Made once."""
        if STANDIN in self.run("images", "--format", "{{.Repository}}:{{.Tag}}"):
            return
        root = self._folder / "root"
        if not root.exists():
            made = root.with_name("root.new")
            shutil.rmtree(made, ignore_errors=True)
            subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(made)], check=True,
                           capture_output=True)  # fmt: skip
            _furnish(made)
            made.rename(root)
        changes = [f"--change={name} {value}" for name, values in SETUP.items() for value in values]
        tar = [
            "tar",
            "-C",
            str(root),
            "--exclude=./proc/*",
            "--exclude=./sys/*",
            "--exclude=./dev/*",
            "-cf",
            str(self._folder / "root.tar"),
            ".",
        ]
        subprocess.run(tar, check=True)
        self.run(
            "import", f"--signature-policy={self._folder / 'policy.json'}", *changes, str(self._folder / "root.tar"), STANDIN
        )
        (self._folder / "root.tar").unlink()

    def play(self, documents: Sequence[Any], settings: Path) -> None:
        path = self._folder / "pods.yaml"
        path.write_text("\n---\n".join(json.dumps(document) for document in documents))
        policy = self._folder / "policy.json"
        self.run("kube", "play", f"--signature-policy={policy}", f"--configmap={settings}", "--log-driver=k8s-file", str(path))

    def keep(self, secret: str, values: Mapping[str, str]) -> None:
        """A Secret whose keys become variables."""
        self.run("secret", "create", secret, "-", text=json.dumps(dict(values)))

    def logs(self, container: str) -> str:
        """What it has written, to both."""
        return self.run("logs", container, check=False, both=True)

    def inspect(self, container: str) -> dict[str, Any]:
        return dict(json.loads(self.run("inspect", container))[0])

    def clear(self) -> None:
        """End and remove every pod, container and secret of this folder's storage."""
        self.run("pod", "rm", "--force", "--all", check=False)
        self.run("rm", "--force", "--all", check=False)
        self.run("secret", "rm", "--all", check=False)
        self.run("volume", "prune", "--force", check=False)


def site_packages() -> Path:
    """The installed packages, which are mounted into containers."""
    return Path(next(each for each in sys.path if each.endswith("site-packages"))).resolve()


def _furnish(root: Path) -> None:
    for name in ("opt/slipstream/bin", "opt/project", "opt/site", "var/lib/slipstream", "etc/slipstream"):
        (root / name).mkdir(parents=True)
    for name, line in LAUNCHERS.items():
        launcher = root / "opt/slipstream/bin" / name
        launcher.write_text(f"#!/bin/sh\n{line}\n")
        launcher.chmod(0o755)
    for command in (["groupadd", "--gid", "50000", "slipstream"],
                    ["useradd", "--uid", "50000", "--gid", "50000", "--create-home", "slipstream"],
                    ["chown", "slipstream:slipstream", "/var/lib/slipstream"]):  # fmt: skip
        subprocess.run(["chroot", str(root), *command], check=True)
