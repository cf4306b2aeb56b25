"""The environment of each process: built from nothing but the platform, so that a restart changes nothing.

Every process finds `include` and `operators` through PYTHONPATH (a triggerer would not, otherwise). A secret
goes only to the processes that need it: the table is include/local/rights.py.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from include.core import logs, secret_store, tracing
from include.core.environment import DAGS, MODELS, PATH, PLATFORM, SENTRY_DSN, WARM_SOCKET, connection
from include.core.environment_aws import AWS_CONN_ID, SECRETS_BACKEND, SECRETS_KWARGS
from include.core.places import search_path
from include.core.private_files import write_private
from include.local import postgres, roles
from include.local.connections import MLFLOW, MLFLOW_JOBS, addresses, connections, models
from include.local.credentials import Credentials
from include.local.platform import HOST, Platform
from include.local.ports import setting
from include.local.rights import RIGHTS, Rights, inherited

# Not inherited. Without bytecode on disk each task's process would compile the project anew: 8 % of what it costs.
FOREIGN = (
    "AIRFLOW__", "AIRFLOW_HOME", "MLFLOW_", "RAY_", "SUPERVISOR_", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip
USERS = {"admin": "airflow_admin", "op": "airflow_op", "viewer": "airflow_viewer"}  # user (and role) to credential

CONNECTION = connection("").name  # what the name of a connection's variable begins with

QUIET = {  # no telemetry
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}
# The machine is shared by many processes: a thread pool as wide as the machine in each would fight over it.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


def quiet() -> None:
    """No library of this process reports what is done with it; what the shell says stands."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def common(platform: Platform, rights: Rights, shell: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every process sees, and what of the shell's secrets its rights name."""
    base = dict(os.environ if shell is None else shell)
    base = inherited(base, rights, AWS_CONN_ID.read(base))
    return {
        **{name: value for name, value in base.items() if not name.startswith(FOREIGN)},
        "PATH": f"{Path(sys.executable).parent}:{PATH.read(base)}",
        "PYTHONPATH": os.pathsep.join((str(platform.project), *search_path(MODELS.read(base)))),
        "PYTHONUNBUFFERED": "1",
        **addresses(platform),
        **models(base),
        **{setting(name): str(port) for name, port in platform.ports.items()},
        **QUIET,
        **THREADS,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        PLATFORM.name: platform.digest,
        **_secrets_backend(shell, rights),
    }


def _secrets_backend(shell: Mapping[str, str] | None, rights: Rights) -> dict[str, str]:
    """Airflow's two variables, where the shell names a backend. Not for jobs, which are given logins of their own."""
    named = (SECRETS_BACKEND, SECRETS_KWARGS)
    return {each.name: each.read(shell) for each in named if rights.stores and each.is_set(shell)}


def _own(platform: Platform, credentials: Credentials, rights: Rights, shell: Mapping[str, str] | None = None) -> dict[str, str]:
    """The platform's own connections of the rights, without those that the shell's secrets backend has: these are read there."""
    store = secret_store.opened(shell)
    given = {name: uri for name, uri in connections(platform, credentials).items() if name in rights.connections}
    if store is None:
        return given
    return {name: uri for name, uri in given.items() if not store.connection(name.removeprefix(CONNECTION).lower())}


def postgres_server(platform: Platform, credentials: Credentials) -> dict[str, str]:
    """The database makes its superuser once, from a file: no secret of ours here."""
    del credentials
    return common(platform, RIGHTS["postgres"])


def airflow(platform: Platform, credentials: Credentials, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a task of Airflow sees (they are the scheduler's forks): for a person's shell, and for tests."""
    return airflow_process(platform, credentials, RIGHTS["scheduler"], inherited)


def airflow_of(name: str) -> Callable[[Platform, Credentials], dict[str, str]]:
    """The environment of one of Airflow's processes, by its name in the table of components."""
    return lambda platform, credentials: airflow_process(platform, credentials, RIGHTS[name])


def airflow_process(
    platform: Platform, credentials: Credentials, rights: Rights, shell: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Airflow's own settings, and the secrets and connections of its rights."""
    shared = common(platform, rights, shell)
    return {
        **shared,
        **_seen_from_outside(shared),
        **_own(platform, credentials, rights, shell),
        **_airflow_settings(platform),
        **_airflow_secrets(platform, credentials, rights),
    }


def _seen_from_outside(environ: Mapping[str, str]) -> dict[str, str]:
    """Airflow's own switches, by the variables that every process of the platform goes by. Where it traces, its tasks do.

    It cannot start without Sentry's library once its switch is on.
    """
    reports = SENTRY_DSN.is_set(environ) and find_spec("sentry_sdk") is not None
    switches = {
        "TRACES__OTEL_ON": tracing.is_on(environ),
        "SENTRY__SENTRY_ON": reports,
        "LOGGING__JSON_LOGS": logs.is_json(environ),
    }
    return {f"AIRFLOW__{name}": "true" for name, on in switches.items() if on}


def _airflow_secrets(platform: Platform, credentials: Credentials, rights: Rights) -> dict[str, str]:
    held: dict[str, tuple[str, Callable[[], str]]] = {
        "database": ("DATABASE__SQL_ALCHEMY_CONN", lambda: postgres.url(platform, credentials, "airflow")),
        "parsing_database": ("DATABASE__SQL_ALCHEMY_CONN", lambda: postgres.url(platform, credentials, "airflow", roles.DAGS)),
        "fernet_key": ("CORE__FERNET_KEY", lambda: credentials.airflow_fernet_key),
        "jwt_secret": ("API_AUTH__JWT_SECRET", lambda: credentials.airflow_jwt_secret),
        "api_secret": ("API__SECRET_KEY", lambda: credentials.airflow_api_secret),
    }
    # An empty key says that nothing is encrypted; without one, Airflow takes or makes one in its configuration file.
    none = {"AIRFLOW__CORE__FERNET_KEY": ""}
    return {**none, **{f"AIRFLOW__{held[name][0]}": held[name][1]() for name in rights.airflow}}


def _airflow_settings(platform: Platform) -> dict[str, str]:
    return {
        **_airflow_core(platform),
        "AIRFLOW_HOME": str(platform.airflow),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(platform.airflow / "logs"),
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",  # a log tells what was computed, of whom
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(platform.ports["airflow"]),
        "AIRFLOW__API__BASE_URL": platform.url("airflow"),
        "AIRFLOW__API__WORKERS": "1",
        # A killed worker's task is found dead after 17 to 23 s; by default it took 306.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
        # What a killed scheduler's workers were running is found after 30 to 40 s instead of up to 330.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        # Between two tasks of a run the scheduler slept a second where there was nothing else to do.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        # A killed triggerer's triggers are taken over after 15 s instead of 30; too early, and one only looks twice.
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",  # a new DAG file is seen this soon
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    }


def _airflow_core(platform: Platform) -> dict[str, str]:
    values = {
        "executor": "LocalExecutor",
        "parallelism": "4",  # workers are forked ahead: each costs memory
        "load_examples": "false",
        "test_connection": "Enabled",  # the button of the Connections page: only this machine reaches the platform
        "dags_folder": DAGS.read() or str(platform.project / "dags"),
        "plugins_folder": str(platform.project / "plugins"),
        "execution_api_server_url": f"{platform.url('airflow')}/execution/",
        "simple_auth_manager_users": ",".join(f"{user}:{user}" for user in USERS),
        "simple_auth_manager_passwords_file": str(passwords_file(platform)),
    }
    return {f"AIRFLOW__CORE__{name.upper()}": value for name, value in values.items()}


def passwords_file(platform: Platform) -> Path:
    return platform.airflow / "passwords.json"


def write_passwords(platform: Platform, credentials: Credentials) -> None:
    """The users of Airflow's simple auth manager, before it can generate and print passwords of its own."""
    platform.airflow.mkdir(parents=True, exist_ok=True)
    write_private(passwords_file(platform), json.dumps({user: getattr(credentials, name) for user, name in USERS.items()}))


def mlflow(platform: Platform, credentials: Credentials) -> dict[str, str]:
    """The tracking server: the one process that holds MLflow's administrator password in its configuration."""
    return {
        **common(platform, RIGHTS["mlflow"]),
        "MLFLOW_AUTH_CONFIG_PATH": str(platform.mlflow / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": credentials.mlflow_admin,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": credentials.mlflow_session_key,
        "MLFLOW_BACKEND_STORE_URI": postgres.url(platform, credentials, "mlflow"),  # not on the command line: ps shows it
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def write_mlflow_config(platform: Platform, credentials: Credentials) -> None:
    platform.mlflow.mkdir(parents=True, exist_ok=True)
    lines = {
        "default_permission": "READ",
        "database_uri": postgres.url(platform, credentials, "mlflow_auth"),
        "admin_username": "admin",
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        "auth_cache_ttl_seconds": "60",  # one PBKDF2 a minute instead of one a request
    }
    text = "[mlflow]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())
    write_private(platform.mlflow / "basic_auth.ini", text)


def ray(platform: Platform, credentials: Credentials) -> dict[str, str]:
    """The Ray head, and through it every job: the token's path, never the token; the jobs' login of MLflow, for live metrics."""
    return {
        **common(platform, RIGHTS["ray"]),
        WARM_SOCKET.name: str(platform.fork_socket),
        MLFLOW: connections(platform, credentials)[MLFLOW_JOBS],
        # Else Ray replaces 127.0.0.1 by the machine's address, and listens on every one.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "DASHBOARD_METRIC_PORT": "0",  # any free one
        # An entry point that waits for a machine; Ray would give it up after a quarter of an hour, whatever the time limit.
        "RAY_JOB_START_TIMEOUT_SECONDS": "86400",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(platform.home / "secrets" / "ray_token"),
    }


def fork_server(platform: Platform, credentials: Credentials) -> dict[str, str]:
    """Of which jobs and Ray's workers are forked: no secret, and what counts when libraries are imported as the head has it."""
    del credentials
    return common(platform, RIGHTS["fork-server"])


def gateway(platform: Platform, credentials: Credentials) -> dict[str, str]:
    rights = RIGHTS["gateway"]
    return {**common(platform, rights), **_own(platform, credentials, rights)}
