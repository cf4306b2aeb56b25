"""MLflow's accounts beside its administrator: one for registering, one for jobs that can log runs and nothing else.

`python -m include.local.mlflow_accounts` does it for a server elsewhere: SLIPSTREAM_MLFLOW_URL, and the passwords in
MLFLOW_ADMIN_PASSWORD, MLFLOW_REGISTRY_PASSWORD and MLFLOW_JOBS_PASSWORD.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

import httpx

from include.core.catalog import model_names
from include.core.environment import MLFLOW_ADMIN_PASSWORD, MLFLOW_JOBS_PASSWORD, MLFLOW_REGISTRY_PASSWORD
from include.core.errors import PermanentError, SlipstreamError, UnreachableError
from include.core.private_files import set_mask
from include.core.settings import Settings
from include.local.credentials import Credentials
from include.local.platform import Platform

REGISTRY, JOBS = "slipstream-registry", "slipstream-jobs"

# What an account may do, by MLflow's kind of resource; "*" is every one of that kind. A right on runs decides over that on
# their experiment: EDIT creates and changes, and deletes nothing.
RIGHTS: Mapping[str, Mapping[str, str]] = {
    REGISTRY: {"experiment": "MANAGE", "registered_model": "MANAGE"},
    JOBS: {"experiment": "EDIT", "run": "EDIT", "registered_model": "DENY", "registered_model_version": "DENY", "prompt": "DENY"},
}
TIMEOUT = 30.0  # seconds


def create(platform: Platform, credentials: Credentials) -> None:
    """Make the accounts of the local platform, and an experiment for each model."""
    passwords = {REGISTRY: credentials.mlflow_registry, JOBS: credentials.mlflow_jobs}
    ensure(platform.url("mlflow"), credentials.mlflow_admin, passwords, model_names(Settings.from_env().models))


def ensure(url: str, admin: str, passwords: Mapping[str, str], experiments: Iterable[str] = ()) -> None:
    """Make the accounts with these passwords and rights. Doing it again changes nothing.

    The experiments are the administrator's: who makes one may delete it, and a job shall not.
    Raises UnreachableError, PermanentError.
    """
    with httpx.Client(base_url=url, auth=("admin", admin), timeout=TIMEOUT, trust_env=False) as client:
        for name, password in passwords.items():
            login = {"username": name, "password": password}
            if not _call(client, "POST", "/api/2.0/mlflow/users/create", login):
                _call(client, "PATCH", "/api/2.0/mlflow/users/update-password", login)
            for kind, permission in RIGHTS[name].items():
                grant = {"username": name, "resource_type": kind, "resource_id": "*", "permission": permission}
                _call(client, "POST", "/api/3.0/mlflow/users/permissions/grant", grant)
        for experiment in experiments:
            _call(client, "POST", "/api/2.0/mlflow/experiments/create", {"name": experiment})


def _call(client: httpx.Client, method: str, path: str, body: Mapping[str, str]) -> bool:
    """Whether it happened; False where it was so before."""
    try:
        answer = client.request(method, path, json=dict(body))
    except httpx.HTTPError as error:
        raise UnreachableError(
            f"MLflow at {client.base_url} does not answer.", seen=type(error).__name__, hint="start it, then `make up` again."
        ) from error
    if answer.is_error and "RESOURCE_ALREADY_EXISTS" not in answer.text:
        raise PermanentError(
            f"MLflow at {client.base_url} refused to make the account or experiment {body.get('username') or body.get('name')}.",
            seen=f"{path}: HTTP {answer.status_code}",
            safe="the accounts that were there are as they were.",
            hint="the administrator's password is <home>/secrets/mlflow_admin; read MLflow's log, then `make up` again.",
        )
    return not answer.is_error


def main() -> int:
    set_mask()
    settings = Settings.from_env()
    for needed in (MLFLOW_ADMIN_PASSWORD, MLFLOW_REGISTRY_PASSWORD, MLFLOW_JOBS_PASSWORD):
        if not needed.is_set():
            print(f"slipstream: {needed.name} is not set: it is a password of docker/secrets/.", file=sys.stderr)
            return 2
    passwords = {REGISTRY: MLFLOW_REGISTRY_PASSWORD.read(), JOBS: MLFLOW_JOBS_PASSWORD.read()}
    try:
        ensure(settings.mlflow_url, MLFLOW_ADMIN_PASSWORD.read(), passwords, model_names(settings.models))
    except SlipstreamError as error:
        print(f"slipstream: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
