"""Where everything is. Read once from the environment; no secret is ever kept here.

Every field is an environment variable `SLIPSTREAM_<FIELD>` (upper case), described in include/core/environment.py.
Secrets (MLflow's password, Ray's token, the gateway's admin token) come from Airflow connections: operators hand them over, and
outside Airflow `include.core.connection` reads the same connection URIs from the environment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

from include.core import environment
from include.core.address import shown, without_login
from include.core.digest import PROJECT
from include.core.places import resolved
from include.core.scratch import as_full
from include.core.storage import Storage, open_storage

SERVERS = ("mlflow", "ray", "gateway", "airflow")  # whose logins are connections, never part of the address


@dataclass(frozen=True, repr=False)
class Settings:
    home: Path = PROJECT / ".slipstream"
    root: str = ""
    control_url: str = ""
    online_url: str = ""
    stream_url: str = ""
    mlflow_url: str = environment.MLFLOW_URL.default
    ray_url: str = environment.RAY_URL.default
    ray_code: str = ""
    ray_project: str = ""
    ray_models: str = ""
    ray_logins: str = environment.RAY_LOGINS.default
    gateway_url: str = environment.GATEWAY_URL.default
    gateway_tokens: str = ""
    airflow_url: str = environment.AIRFLOW_URL.default
    models: str = environment.MODELS.default
    job_backend: str = environment.JOB_BACKEND.default
    registry: str = environment.REGISTRY.default
    environ: dict[str, str] = field(default_factory=dict, repr=False)  # read by connections

    @classmethod
    def from_env(cls, environ: dict[str, str] | None = None) -> Self:
        env = dict(os.environ if environ is None else environ)
        given = {name: variable.read(env) for name, variable in environment.SETTINGS.items() if variable.is_set(env)}
        home = Path(given.pop("home", str(PROJECT / ".slipstream"))).absolute()
        for server in SERVERS:
            if (url := given.get(f"{server}_url", "")) != (plain := without_login(url)):
                given[f"{server}_url"] = plain  # it is shown, logged and handed to jobs
                env.setdefault(environment.connection(f"slipstream_{server}").name, url)
        if environment.GATEWAY_TLS_CERT.read(env):
            given.setdefault("gateway_url", environment.GATEWAY_URL.default.replace("http:", "https:"))
        given["models"] = resolved(given.get("models", environment.MODELS.default))
        given.setdefault("root", str(home / "store"))
        given.setdefault("control_url", f"sqlite:///{home / 'control.db'}")
        given.setdefault("online_url", f"sqlite:///{home / 'online.db'}")
        given.setdefault("gateway_tokens", str(home / "gateway-tokens.json"))
        return cls(home=home, environ=env, **given)

    def __repr__(self) -> str:
        """Every address without what opens it."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.repr}
        parts = (f"{name}={shown(str(value))!r}" for name, value in values.items())
        return f"Settings({', '.join(parts)})"

    def storage(self) -> Storage:
        """The storage behind `root`, opened with the login of these settings' environment."""
        return open_storage(self.root, self.environ or None)

    def scratch(self) -> Path:
        """A folder for temporary files of this machine, made if needed. Raises StorageFullError."""
        folder = self.home / "scratch"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if (full := as_full(error, folder)) is not None:
                raise full from error
            raise
        return folder
