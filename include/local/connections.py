"""The connections of the local platform: what Airflow reads from the environment, and the CLI from a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from include.local.credentials import Credentials, write_private
from include.local.platform import HOST, Platform

MLFLOW, MLFLOW_JOBS, RAY, GATEWAY = (f"AIRFLOW_CONN_SLIPSTREAM_{name}" for name in ("MLFLOW", "MLFLOW_JOBS", "RAY", "GATEWAY"))


def connections(platform: Platform, credentials: Credentials) -> dict[str, str]:
    """AIRFLOW_CONN_* by name. Tokens travel as the password. Which process gets which: include/local/rights.py."""
    return {
        MLFLOW: _uri(platform.ports["mlflow"], "slipstream-registry", credentials.mlflow_registry),
        MLFLOW_JOBS: _uri(platform.ports["mlflow"], "slipstream-jobs", credentials.mlflow_jobs),
        RAY: _uri(platform.ports["ray"], "", credentials.ray_token),
        GATEWAY: _uri(platform.ports["gateway"], "", credentials.gateway_admin),
    }


def write_file(platform: Platform, credentials: Credentials) -> Path:
    """`<home>/connections.env`: addresses and connections, for the `slipstream` command and for people."""
    values = {
        **addresses(platform),
        **connections(platform, credentials),
        "AIRFLOW_CONN_SLIPSTREAM_AIRFLOW": _uri(platform.ports["airflow"], "admin", credentials.airflow_admin),
    }
    path = platform.home / "connections.env"
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def read_file(home: Path) -> dict[str, str]:
    """What `write_file` wrote; empty where no platform was ever started."""
    path = home / "connections.env"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line)


def addresses(platform: Platform) -> dict[str, str]:
    """The settings that say where this platform is: include.core.settings reads them."""
    return {
        "SLIPSTREAM_HOME": str(platform.home),
        **{f"SLIPSTREAM_{name.upper()}_URL": platform.url(name) for name in ("airflow", "mlflow", "ray", "gateway")},
    }


def _uri(port: int, login: str, password: str) -> str:
    return f"http://{quote(login, safe='')}:{quote(password, safe='')}@{HOST}:{port}"
