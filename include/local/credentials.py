"""Passwords and keys of the local platform: generated once, one file each, readable by their owner alone."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from include.core.private_files import kept_secret


@dataclass(frozen=True, repr=False)
class Credentials:
    """Every field is the content of `<home>/secrets/<field>`. All are URL-safe."""

    postgres: str  # the superuser: makes the roles and databases, and nothing else logs in as it
    postgres_airflow: str
    postgres_airflow_dags: str
    postgres_mlflow: str
    postgres_mlflow_auth: str
    mlflow_admin: str  # for people, and for making the other two
    mlflow_registry: str
    mlflow_jobs: str
    mlflow_session_key: str
    ray_token: str
    gateway_admin: str
    airflow_admin: str
    airflow_op: str
    airflow_viewer: str
    airflow_fernet_key: str
    airflow_jwt_secret: str
    airflow_api_secret: str
    dossier_key: str  # signs dossiers: include/governance/dossier/keys.py

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read all, and generate those that are not there yet. Stable until the home is removed."""
        folder = home / "secrets"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        return cls(**{f.name: kept_secret(folder / f.name, _GENERATORS.get(f.name, _token)) for f in fields(cls)})


def _token() -> str:
    return secrets.token_urlsafe(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _jwt_secret() -> str:
    return secrets.token_hex(64)  # HS512 wants a key of 64 bytes or more


def _seed() -> str:
    return secrets.token_urlsafe(32)  # Ed25519's seed has 32 bytes


_GENERATORS: dict[str, Callable[[], str]] = {
    "airflow_fernet_key": _fernet_key, "airflow_jwt_secret": _jwt_secret, "dossier_key": _seed,
}  # fmt: skip
