"""The connections of the local platform: what Airflow reads from the environment, and the CLI from a file."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from include.core.environment import GATEWAY_TLS_CERT, MODELS
from include.core.errors import PermanentError
from include.core.places import resolved
from include.core.private_files import write_private
from include.local.credentials import Credentials
from include.local.platform import HOST, Platform

MLFLOW, MLFLOW_JOBS, RAY, GATEWAY = (f"AIRFLOW_CONN_SLIPSTREAM_{name}" for name in ("MLFLOW", "MLFLOW_JOBS", "RAY", "GATEWAY"))


def connections(platform: Platform, credentials: Credentials) -> dict[str, str]:
    """AIRFLOW_CONN_* by name. Tokens travel as the password. Which process gets which: include/local/rights.py."""
    return {
        MLFLOW: _uri("mlflow", platform.ports["mlflow"], "slipstream-registry", credentials.mlflow_registry),
        MLFLOW_JOBS: _uri("mlflow", platform.ports["mlflow"], "slipstream-jobs", credentials.mlflow_jobs),
        RAY: _uri("ray", platform.ports["ray"], "", credentials.ray_token),
        GATEWAY: _uri("gateway", platform.ports["gateway"], "", credentials.gateway_admin),
    }


def write_file(platform: Platform, credentials: Credentials, *, runs_already: bool = False) -> Path:
    """`<home>/connections.env`: addresses, places of models and connections, for the `slipstream` command and for people.

    Of a platform that runs already the places stay as they were: its processes have them.
    """
    stored = {name: value for name, value in _stored(platform.home).items() if name == MODELS.name}
    values = {
        **addresses(platform),
        **(stored if runs_already else models()),
        **connections(platform, credentials),
        "AIRFLOW_CONN_SLIPSTREAM_AIRFLOW": _uri("airflow", platform.ports["airflow"], "admin", credentials.airflow_admin),
    }
    path = platform.home / "connections.env"
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def read_file(home: Path) -> dict[str, str]:
    """What `write_file` wrote; empty where no platform was ever started. Raises PermanentError where we may not read it."""
    return _as_of(home, _stored(home))


def former_home(home: Path) -> str:
    """The home as the file names it: another one where it was moved or copied since. Empty where none is named."""
    return _stored(home).get("SLIPSTREAM_HOME", "").rstrip("/")


def _stored(home: Path) -> dict[str, str]:
    path = home / "connections.env"
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise PermanentError(
            f"{path} belongs to another user.",
            safe="nothing was read or written.",
            hint=f"run this as that user; or, if the installation was moved: chown -R {getpass.getuser()} {home}",
        ) from error
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _as_of(home: Path, values: dict[str, str]) -> dict[str, str]:
    """The values where the file lies now: before the next `up` a home that was moved, or copied, names the one it was."""
    former = values.get("SLIPSTREAM_HOME", "").rstrip("/")
    if not former or former == str(home):
        return values
    moved = {name: value.replace(f"{former}/", f"{home}/") for name, value in values.items()}
    return {**moved, "SLIPSTREAM_HOME": str(home)}


def addresses(platform: Platform) -> dict[str, str]:
    """The settings that say where this platform is: include.core.settings reads them."""
    return {
        "SLIPSTREAM_HOME": str(platform.home),
        **{f"SLIPSTREAM_{name.upper()}_URL": platform.url(name) for name in ("airflow", "mlflow", "ray", "gateway")},
    }


def models(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The places of models that the shell names, by absolute paths: the platform's processes work in other folders."""
    return {MODELS.name: resolved(MODELS.read(environ))} if MODELS.is_set(environ) else {}


def _uri(server: str, port: int, login: str, password: str) -> str:
    """Of the server's own connection type (operators/provider_info.py), so that Airflow can test it. It speaks HTTP, or HTTPS."""
    secure = "/https" if server == "gateway" and GATEWAY_TLS_CERT.read() else ""
    return f"slipstream-{server}://{quote(login, safe='')}:{quote(password, safe='')}@{HOST}:{port}{secure}"
