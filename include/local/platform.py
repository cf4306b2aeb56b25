"""One local platform: a home folder and the ports its servers listen on. Two may run side by side."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from include.core.digest import PROJECT
from include.core.environment import GATEWAY_TLS_CERT
from include.core.settings import Settings
from include.local.ports import DEFAULT_PORTS, read_ports

HOST = "127.0.0.1"  # nothing here ever listens on another address
LONGEST_SOCKET_PATH = 100  # the kernel's limit is 107 bytes


@dataclass(frozen=True)
class Platform:
    """Where a platform keeps its state, and where it listens."""

    home: Path
    ports: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_PORTS))
    project: Path = PROJECT

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Home from SLIPSTREAM_HOME; ports from SLIPSTREAM_<NAME>_PORT, else those it runs on, else the defaults.

        Raises SpecError for a bad port.
        """
        env = dict(os.environ if environ is None else environ)
        home = Settings.from_env(env).home
        return cls(home=home, ports=read_ports(env, cls(home).running_ports()))

    def url(self, name: str) -> str:
        secure = name == "gateway" and GATEWAY_TLS_CERT.read()
        return f"{'https' if secure else 'http'}://{HOST}:{self.ports[name]}"

    @property
    def ports_file(self) -> Path:
        return self.run / "ports.json"

    def running_ports(self) -> dict[str, int]:
        """What `up` noted, until `down`; empty if nothing was started."""
        return dict(json.loads(self.ports_file.read_text())) if self.ports_file.exists() else {}

    @property
    def digest(self) -> str:
        """Tells one home from another, in the few paths that cannot lie below it."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:10]

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """State of what is running now: the supervisor's files."""
        return self.home / "run"

    @property
    def socket(self) -> Path:
        """The supervisor's control socket; beside the temporary files where the home's path is too long."""
        inside = self.run / "supervisor.sock"
        if len(str(inside)) <= LONGEST_SOCKET_PATH:
            return inside
        return Path(tempfile.gettempdir()) / f"slipstream-{self.digest}.sock"

    @property
    def ray_folder(self) -> Path:
        """Ray's session files. Its sockets lie deep below, so this path has to be short.

        Ray opens this folder to everybody; the one above it is its owner's alone.
        """
        return self.short_folder / "ray"

    @property
    def earlier_ray_folder(self) -> Path:
        """Where earlier versions had it, open to everybody."""
        return Path("/tmp") / f"slipstream-ray-{self.digest}"

    @property
    def short_folder(self) -> Path:
        """Beside the temporary files, for what needs a short path. It is private: include.core.private_files.private_folder."""
        return Path("/tmp") / f"slipstream-{self.digest}"

    @property
    def fork_socket(self) -> Path:
        """Where the node's fork server is asked."""
        return self.short_folder / "warm.sock"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def mlflow(self) -> Path:
        return self.home / "mlflow"
