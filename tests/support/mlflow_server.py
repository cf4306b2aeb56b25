"""A real MLflow tracking server with basic authentication, on a free port, for the tests of this folder's users."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

PASSWORD = "correct-horse-battery"
READY = 90.0  # seconds; importing the server takes most of them


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class MlflowServer:
    """Stopped and started again, it has the same address and the same runs."""

    folder: Path
    store: str = ""  # SQLAlchemy URL of the runs; default: SQLite in the folder
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connection(self) -> str:
        """The URI of the Airflow connection `slipstream_mlflow`."""
        return self.url.replace("//", f"//admin:{PASSWORD}@")

    def start(self) -> None:
        with (self.folder / "server.log").open("a") as log:
            command, env = _command(self.folder, self.port, self.store), _environ(self.folder)
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        _wait(self.url, self._process, self.folder / "server.log")

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)
            self._process = None


@cache
def mlflow_server() -> str:
    """Its URL. Started once for each test process, stopped with it: starting takes 15 s."""
    server = MlflowServer(Path(mkdtemp(prefix="slipstream-mlflow-")))
    atexit.register(_stop, server, os.getpid())
    server.start()
    return server.url


def _command(folder: Path, port: int, store: str) -> list[str]:
    options = {
        "host": "127.0.0.1", "port": port, "workers": 1, "app-name": "basic-auth",
        "backend-store-uri": store or f"sqlite:///{folder / 'mlflow.db'}", "artifacts-destination": folder / "artifacts",
    }  # fmt: skip
    return [sys.executable, "-m", "mlflow", "server", "--serve-artifacts", *(f"--{k}={v}" for k, v in options.items())]


def _environ(folder: Path) -> dict[str, str]:
    config = folder / "auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = sqlite:///{folder / 'auth.db'}\n"
        f"admin_username = admin\nadmin_password = {PASSWORD}\nauth_cache_ttl_seconds = 60\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    ours = {
        "MLFLOW_AUTH_CONFIG_PATH": str(config), "MLFLOW_FLASK_SERVER_SECRET_KEY": "test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1",
    }  # fmt: skip
    return {**os.environ, **ours}


def _stop(server: MlflowServer, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked child of the tests
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text()[-3000:]}")
