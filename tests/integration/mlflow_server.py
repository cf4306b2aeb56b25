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
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

PASSWORD = "correct-horse-battery"
READY = 90.0  # seconds; importing the server takes most of them


@cache
def mlflow_server() -> str:
    """Its URL. Started once for each test process, stopped with it: starting takes 15 s."""
    folder = Path(mkdtemp(prefix="slipstream-mlflow-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(_command(folder, port), env=_environ(folder), stdout=log, stderr=log, start_new_session=True)
    atexit.register(_stop, process, os.getpid(), folder)
    url = f"http://127.0.0.1:{port}"
    _wait(url, process, folder / "server.log")
    return url


def _command(folder: Path, port: int) -> list[str]:
    options = {
        "host": "127.0.0.1", "port": port, "workers": 1, "app-name": "basic-auth",
        "backend-store-uri": f"sqlite:///{folder / 'mlflow.db'}", "artifacts-destination": folder / "artifacts",
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


def _stop(process: subprocess.Popen[bytes], owner: int, folder: Path) -> None:
    if os.getpid() == owner:  # not in a forked child of the tests
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text()[-3000:]}")
