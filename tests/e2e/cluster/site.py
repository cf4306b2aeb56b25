"""Which machine runs what: the services of docker/compose.yaml, each on a machine, with nothing shared but the wire.

s3         S3 as moto's server has it, in memory: it stands for AWS, and is not killed
data       PostgreSQL, the online store's Redis, the Celery broker's Redis
control    Airflow's scheduler, API server, DAG processor and triggerer
worker-1, worker-2   a Celery worker each
ray, ray-node        the head of a Ray cluster, and a second node
gateway-1, gateway-2 a gateway each; MLflow beside the first
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import psycopg2

from include.core.digest import PROJECT
from include.core.places import search_path
from include.local.environment import QUIET, THREADS
from include.local.postgres import UNPRIVILEGED, binary
from tests.e2e.cluster.machines import DISK, DRIVER, NETWORK, Machine, Service
from tests.e2e.cluster.secrets import Secrets, merged

NUMBERS = {
    "data": 1,
    "control": 2,
    "worker-1": 3,
    "worker-2": 4,
    "ray": 5,
    "ray-node": 6,
    "gateway-1": 7,
    "gateway-2": 8,
    "s3": 9,
}
ALSO = {"postgres": "data", "redis": "data", "broker": "data", "api-server": "control", "mlflow": "gateway-1"}
BIN = Path(sys.executable).parent
BUCKET = "slipstream"
S3 = {"endpoint_url": "http://s3:5000", "region_name": "us-east-1"}
HOME = f"{DISK}/home"
CODE = ("include", "operators", "plugins", "dags", "tests", "examples")  # what a node of the Ray cluster has none of


def addresses() -> dict[str, str]:
    """Every name on the network. `gateway` is the balancer in front of both, which runs where the driver does."""
    own = {name: f"{NETWORK}.{number}" for name, number in NUMBERS.items()}
    return {**own, **{name: own[machine] for name, machine in ALSO.items()}, "gateway": f"{NETWORK}.{DRIVER}"}


class Site:
    """All machines, off. `folder` holds their disks and secrets; `models` is the package of models, part of every image."""

    def __init__(self, folder: Path, models: str) -> None:
        self.folder, self.models, self.secrets = folder, models, Secrets(folder / "made")
        self.hosts = addresses()
        (folder / "disks").mkdir(parents=True, exist_ok=True)
        parts: Mapping[str, Callable[[], list[Service]]] = {
            "s3": self._s3,
            "data": self._data,
            "control": self._control,
            "worker-1": self._worker,
            "worker-2": self._worker,
            "ray": self._ray_head,
            "ray-node": self._ray_node,
            "gateway-1": lambda: [*self._gateway("gateway-1"), *self._mlflow()],
            "gateway-2": lambda: self._gateway("gateway-2"),
        }
        self.machines = {name: self._machine(name, parts[name]()) for name in NUMBERS}

    def _machine(self, name: str, services: list[Service]) -> Machine:
        hidden = CODE if name.startswith("ray") else ()
        return Machine(name, NUMBERS[name], self.folder / "disks" / name, self.hosts, services, hidden)

    # -- environments ----------------------------------------------------------------------------------

    def common(self) -> dict[str, str]:
        """What every process of ours sees: no secret."""
        return {
            "PATH": f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": f"{DISK}/root",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join((str(PROJECT), *search_path(self.models))),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SLIPSTREAM_HOME": HOME,
            "SLIPSTREAM_ROOT": f"s3://{BUCKET}/root",
            "SLIPSTREAM_MODELS": self.models,
            "SLIPSTREAM_AIRFLOW_URL": "http://api-server:8080",
            "SLIPSTREAM_MLFLOW_URL": "http://mlflow:5500",
            "SLIPSTREAM_RAY_URL": "http://ray:8265",
            "SLIPSTREAM_RAY_CODE": "package",
            "SLIPSTREAM_GATEWAY_URL": "http://gateway:8500",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            **QUIET,
            **THREADS,
        }

    def bare(self) -> dict[str, str]:
        """Of a node that knows nothing of the platform: not where it is, nor its code."""
        return {
            name: value for name, value in self.common().items() if not name.startswith("SLIPSTREAM_R") and name != "PYTHONPATH"
        }

    def stores(self) -> dict[str, str]:
        """The shared stores, for those that work on them."""
        login = {"conn_type": "aws", "login": "slipstream", "password": self.secrets.text("redis_password")[:20], "extra": S3}
        return merged(self.secrets.environment("stores"), {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(login)})

    def person(self) -> dict[str, str]:
        """Of the operator at the command line, who drives all of this."""
        password = json.loads(self.secrets.text("airflow_passwords.json"))["admin"]
        airflow = {"AIRFLOW_CONN_SLIPSTREAM_AIRFLOW": f"slipstream-airflow://admin:{password}@api-server:8080"}
        return merged(self.common(), self.stores(), self.secrets.environment("worker"), airflow)

    def airflow(self, *files: str, stores: bool = True) -> dict[str, str]:
        settings = {
            "CORE__EXECUTOR": "CeleryExecutor",
            "CORE__LOAD_EXAMPLES": "false",
            "CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "CORE__EXECUTION_API_SERVER_URL": "http://api-server:8080/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,op:op,viewer:viewer",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": f"{DISK}/airflow/passwords.json",
            "API__BASE_URL": "http://api-server:8080",
            "API__HOST": self.hosts["api-server"],
            "API__WORKERS": "1",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
            "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "LOGGING__BASE_LOG_FOLDER": f"{DISK}/airflow/logs",
        }
        prefixed = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        more = {"AIRFLOW_HOME": f"{DISK}/airflow", "SLIPSTREAM_WARM": "0"}
        return merged(self.common(), prefixed, more, self.stores() if stores else {}, self.secrets.environment(*files))

    # -- machines --------------------------------------------------------------------------------------

    def _data(self) -> list[Service]:
        plain = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        online = self._redis("redis", 6379, "redis_password", "appendonly yes")
        broker = self._redis("broker", 6380, "broker_password", 'save ""')
        return [
            Service("postgres", ["sh", "-c", self._postgres()], plain),
            Service("redis", ["sh", "-c", online], plain),
            Service("broker", ["sh", "-c", broker], plain),
        ]

    def _redis(self, name: str, port: int, password: str, more: str) -> str:
        """Its password in a file: what stands in a command is in the process list."""
        folder = f"{DISK}/{name}"
        lines = [
            f"bind {self.hosts['redis']}",
            f"port {port}",
            f"requirepass {self.secrets.text(password)}",
            f"dir {folder}",
            more,
        ]
        config = "\n".join(lines)
        write = f"umask 077; mkdir -p {folder}; cat > {folder}/redis.conf <<'END'\n{config}\nEND\n"
        return f"{write}exec redis-server {folder}/redis.conf"

    def _postgres(self) -> str:
        """Makes its data once, for the superuser of the containers' script."""
        folder, given = f"{DISK}/postgres", self.secrets.text("postgres_password")
        data, password = f"{folder}/data", f"{folder}/password"
        options = f"-c listen_addresses={self.hosts['postgres']} -c unix_socket_directories= -c max_connections=200"
        as_nobody = f"setpriv --reuid={UNPRIVILEGED} --clear-groups"
        make = (
            f"umask 077; printf %s {given} > {password}; chown -R {UNPRIVILEGED} {folder}; "
            f"{as_nobody} {binary('initdb')} -D {data} "
            f"--username=postgres --pwfile={password} --auth=scram-sha-256 --encoding=utf8 --no-locale; rm {password}; "
            f"echo 'host all all {NETWORK}.0/24 scram-sha-256' >> {data}/pg_hba.conf"
        )
        once = f"mkdir -p {folder}; [ -e {data}/PG_VERSION ] || {{ {make}; }}"
        return f"set -e; {once}; exec {as_nobody} {binary('postgres')} -D {data} {options}"

    def _s3(self) -> list[Service]:
        return [Service("s3", [sys.executable, "-m", "tests.support.s3_server", self.hosts["s3"], "5000"], self.common())]

    def _control(self) -> list[Service]:
        airflow = str(BIN / "airflow")
        given = self.secrets.text("airflow_passwords.json")
        # The API server opens its users' passwords for writing.
        write = f"mkdir -p {DISK}/airflow; umask 077; cat > {DISK}/airflow/passwords.json <<'END'\n{given}\nEND\n"
        return [
            Service(
                "api-server", ["sh", "-c", f"{write}exec {airflow} api-server --port 8080"], self.airflow("api-server", "stores")
            ),
            Service(
                "scheduler", [airflow, "scheduler", "--skip-serve-logs"], self._broker(self.airflow("scheduler", stores=False))
            ),
            Service("dag-processor", [airflow, "dag-processor"], self.airflow("dag-processor", stores=False)),
            Service("triggerer", [airflow, "triggerer", "--skip-serve-logs"], self.airflow("triggerer", "stores")),
        ]

    def _worker(self) -> list[Service]:
        command = [str(BIN / "airflow"), "celery", "worker", "--concurrency", "2", "--skip-serve-logs"]
        return [Service("worker", command, self.worker())]

    def worker(self) -> dict[str, str]:
        """With the login that it seals into jobs: MLflow's account of jobs."""
        jobs = self.secrets.environment("ray")["AIRFLOW_CONN_SLIPSTREAM_MLFLOW"]
        return {**self._broker(self.airflow("worker", "stores")), "AIRFLOW_CONN_SLIPSTREAM_MLFLOW_JOBS": jobs}

    def _broker(self, environment: dict[str, str]) -> dict[str, str]:
        """Both Redis are on one machine here: the broker's is on another port than in the containers."""
        name = "AIRFLOW__CELERY__BROKER_URL"
        return {**environment, name: environment[name].replace("@broker:6379", "@broker:6380")}

    def _ray(self, *options: str) -> list[Service]:
        token = f"{DISK}/ray_token"
        # The token alone: what a job needs, its code included, comes with it.
        environment = merged(self.bare(), {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token, "RAY_TMPDIR": f"{DISK}/ray"})
        write = f"umask 077; printf %s {self.secrets.text('ray_token')} > {token}; mkdir -p {DISK}/ray; "
        start = f"exec {BIN / 'ray'} start --block --temp-dir={DISK}/ray --object-store-memory=200000000 " + " ".join(options)
        return [Service("ray", ["sh", "-c", write + start], environment)]

    def _ray_head(self) -> list[Service]:
        here = self.hosts["ray"]
        return self._ray(
            "--head", "--no-monitor", f"--node-ip-address={here}", "--port=6379", f"--dashboard-host={here}",
            "--dashboard-port=8265", "--num-cpus=2",
        )  # fmt: skip

    def _ray_node(self) -> list[Service]:
        return self._ray("--address=ray:6379", f"--node-ip-address={self.hosts['ray-node']}", "--num-cpus=2")

    def _gateway(self, name: str) -> list[Service]:
        command = [sys.executable, "-m", "include.gateway", f"--host={self.hosts[name]}", "--port=8500"]
        more = {"SLIPSTREAM_GATEWAY_HOSTS": f"gateway,{name}"}
        return [Service("gateway", command, merged(self.common(), self.stores(), self.secrets.environment("gateway"), more))]

    def _mlflow(self) -> list[Service]:
        given, config = self.secrets.text("mlflow_auth.ini"), f"{DISK}/mlflow/auth.ini"
        write = f"mkdir -p {DISK}/mlflow; umask 077; cat > {config} <<'END'\n{given}\nEND\n"
        server = (
            f"exec {BIN / 'mlflow'} server --app-name=basic-auth --host={self.hosts['mlflow']} --port=5500 --workers=1 "
            f"--allowed-hosts=mlflow:5500 --artifacts-destination={DISK}/mlflow/artifacts"
        )
        environment = merged(
            self.common(), self.secrets.environment("mlflow"),
            {"MLFLOW_AUTH_CONFIG_PATH": config, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )  # fmt: skip
        return [Service("mlflow", ["sh", "-c", write + server], environment)]

    # -- clients ---------------------------------------------------------------------------------------

    def s3(self) -> Any:
        """Of the storage, with the login that everybody has."""
        login = json.loads(self.stores()["AIRFLOW_CONN_AWS_DEFAULT"])
        session = boto3.Session(login["login"], login["password"], region_name=S3["region_name"])
        return session.client("s3", endpoint_url=S3["endpoint_url"])

    def database(self, name: str) -> Any:
        """A connection to a database, as the superuser."""
        return psycopg2.connect(f"postgresql://postgres:{self.secrets.text('postgres_password')}@postgres:5432/{name}")

    # -- looks -----------------------------------------------------------------------------------------

    def pings(self, worker: str) -> bool:
        """Whether the Celery worker of that machine answers."""
        app = "airflow.providers.celery.executors.celery_executor.app"
        command = [str(BIN / "celery"), "--app", app, "inspect", "ping", "--timeout", "5", "-d", f"celery@{worker}"]
        return self.machines[worker].run(command, self.worker()).returncode == 0

    def ray_nodes(self) -> int:
        """How many nodes of the Ray cluster are alive."""
        request = urllib.request.Request(
            "http://ray:8265/api/v0/nodes", headers={"Authorization": f"Bearer {self.secrets.text('ray_token')}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                nodes = json.loads(answer.read())["data"]["result"]["result"]
        except (OSError, ValueError, KeyError):
            return 0
        return sum(node["state"] == "ALIVE" for node in nodes)
