"""Which secrets each process of the platform is given, as a table: what is not in it, the process does not see.

What `make up` inherits from its shell counts too: a person's cloud login is no business of the database, nor a store's
password of the process that imports authors' specs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from include.core.address import shown
from include.core.environment import REMOTES, REPORTING, STORES, connection
from include.local.connections import GATEWAY, MLFLOW, MLFLOW_JOBS, RAY

_SECRET = re.compile(
    r"PASSW|SECRET|TOKEN|CREDENTIAL|(^|_)KEYS?($|_)|^AIRFLOW_(CONN|VAR)_|^AWS_|^GOOGLE_|^AZURE_|^PG|_URL$|_URI$|_DSN$"
)
_PLACE = re.compile(r"_(FILE|PATH|MODE)$")  # where a secret is, or how one is used: no secret itself
_CLOUD = re.compile(r"^AWS_|^AIRFLOW_CONN_AWS")
_REPORTING = frozenset(variable.name for variable in REPORTING)


@dataclass(frozen=True)
class Rights:
    """Of one process."""

    connections: tuple[str, ...] = ()  # of the platform's own
    stores: bool = False  # the addresses of the control store and the online store, which may hold passwords
    cloud: bool = False  # the login of the object storage
    personal: bool = False  # whatever else of secrets the person's shell has: connections that their tasks use
    remotes: bool = False  # the connections to servers of remote models
    reports: bool = False  # what opens the servers that traces and errors are sent to
    airflow: tuple[str, ...] = ()  # Airflow's own: "database", "fernet_key", "jwt_secret", "api_secret"


RIGHTS: Mapping[str, Rights] = {
    # It hands on what each process then takes its part of.
    "supervisor": Rights(stores=True, cloud=True, personal=True, reports=True),
    "postgres": Rights(),
    "ray": Rights(connections=(MLFLOW_JOBS,), cloud=True, remotes=True, reports=True),
    "fork-server": Rights(),  # what is forked of it is given its environment by whoever asks
    "migrate": Rights(airflow=("database", "fernet_key")),
    # Its tasks are forks of it (LocalExecutor): they do the work, so they need what the work needs.
    "scheduler": Rights(
        connections=(MLFLOW, MLFLOW_JOBS, RAY, GATEWAY), stores=True, cloud=True, personal=True, reports=True,
        airflow=("database", "fernet_key", "jwt_secret"),
    ),
    "api-server": Rights(stores=True, cloud=True, reports=True, airflow=("database", "fernet_key", "jwt_secret", "api_secret")),
    "mlflow": Rights(),  # its own are in environment.mlflow
    # It imports authors' code, and Airflow gives it no way without a database: its role reads no secret (include/local/roles.py).
    "dag-processor": Rights(airflow=("parsing_database",)),
    "triggerer": Rights(
        connections=(RAY,), stores=True, cloud=True, personal=True, reports=True, airflow=("database", "fernet_key"),
    ),
    "gateway": Rights(connections=(GATEWAY,), stores=True, cloud=True, remotes=True, reports=True),
}  # fmt: skip


def inherited(environ: Mapping[str, str], rights: Rights, storage_connection: str = "") -> dict[str, str]:
    """What of a shell's variables a process may have: all that hold no secret, and the secrets of its rights."""
    return {name: value for name, value in environ.items() if _may_have(name, value, rights, storage_connection)}


def _may_have(name: str, value: str, rights: Rights, storage_connection: str) -> bool:
    if name in STORES:
        return rights.stores
    if name in _REPORTING:
        return rights.reports
    if _CLOUD.search(name) or (storage_connection and name == f"AIRFLOW_CONN_{storage_connection.upper()}"):
        return rights.cloud or rights.personal
    if name.startswith(connection(REMOTES).name):
        return rights.remotes or rights.personal
    return rights.personal or not is_secret(name, value)


def is_secret(name: str, value: str) -> bool:
    """Whether a variable looks as if it held one: by its name, or as an address with a password in it."""
    if name.startswith("SLIPSTREAM_") or name.lower().endswith("_proxy"):
        return False  # our own settings, of which only the stores' hold any; a proxy is the way to a storage
    looks = bool(_SECRET.search(name.upper())) and not _PLACE.search(name.upper())
    if looks and name.upper().endswith(("_URL", "_URI", "_DSN")):
        return shown(value) != value
    return looks or ("://" in value and shown(value) != value)
