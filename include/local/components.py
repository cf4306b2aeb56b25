"""The servers of the platform, as data. `up`, `down`, `status`, the supervisor and the tests read this table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from include.core.digest import PROJECT
from include.core.errors import SpecError
from include.local import environment, health, mlflow_accounts, pools, postgres, roles
from include.local.credentials import Credentials
from include.local.platform import HOST, Platform

BIN = Path(sys.executable).parent
FORK_SERVER = PROJECT / "include" / "backends" / "ray" / "fork_server.py"
OBJECT_STORE_BYTES = 300_000_000

Action = Callable[[Platform, Credentials], None]


def _nothing(platform: Platform, credentials: Credentials) -> None:
    del platform, credentials


@dataclass(frozen=True)
class Component:
    """One supervised program, in a process group of its own."""

    name: str
    command: Callable[[Platform], list[str]]
    environment: Callable[[Platform, Credentials], dict[str, str]]
    healthy: health.Check = health.unseen
    needs: tuple[str, ...] = ()  # started only once these are healthy
    ports: tuple[str, ...] = ()
    prepare: Action = _nothing  # before every start, in the process that becomes the server
    settle: Action = _nothing  # once it is healthy, in the process of `up`; at every `up`
    stop_timeout: int = 8  # seconds it is given to end by itself
    once: str = ""  # a program that ends: run again only when this text (a version) changes


def _airflow(*arguments: str) -> Callable[[Platform], list[str]]:
    return lambda platform: [str(BIN / "airflow"), *arguments]


def _flags(options: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _mlflow(platform: Platform) -> list[str]:
    options = {
        "app-name": "basic-auth",
        "host": HOST,
        "port": str(platform.ports["mlflow"]),
        "workers": "1",
        "artifacts-destination": str(platform.mlflow / "artifacts"),
    }
    return [str(BIN / "mlflow"), "server", *_flags(options)]


def _ray(platform: Platform) -> list[str]:
    """Without its monitor: there is nothing to scale here."""
    options = {
        "node-ip-address": HOST,
        "port": str(platform.ports["ray_gcs"]),
        "dashboard-host": HOST,
        "dashboard-port": str(platform.ports["ray"]),
        "dashboard-agent-listen-port": str(platform.ports["ray_agent"]),
        "ray-client-server-port": str(platform.ports["ray_client"]),
        "min-worker-port": "0",  # any free one: the default range is shared with other clusters of the machine
        "max-worker-port": "0",
        "num-cpus": "2",
        "object-store-memory": str(OBJECT_STORE_BYTES),
        "temp-dir": str(platform.ray_folder),
    }
    return [str(BIN / "ray"), "start", "--head", "--block", "--no-monitor", *_flags(options)]


def _fork_server(platform: Platform) -> list[str]:
    return [sys.executable, "-P", str(FORK_SERVER), str(platform.fork_socket)]


def _gateway(platform: Platform) -> list[str]:
    del platform  # it reads SLIPSTREAM_GATEWAY_URL
    return [sys.executable, "-m", "include.gateway"]


COMPONENTS: tuple[Component, ...] = (
    Component(
        name="postgres",
        command=postgres.command,
        environment=environment.postgres_server,
        healthy=health.postgres,
        ports=("postgres",),
        prepare=postgres.prepare,
        settle=roles.create_databases,
    ),
    Component(
        name="ray",
        command=_ray,
        environment=environment.ray,
        healthy=health.ray,
        ports=("ray", "ray_gcs", "ray_agent", "ray_client"),
        stop_timeout=3,  # asked to end, it waits for its own children; a job that dies with it is resumed
    ),
    Component(
        name="migrate",
        command=_airflow("db", "migrate"),
        environment=environment.airflow_of("migrate"),
        needs=("postgres",),
        settle=roles.settle_airflow,
        once=version("apache-airflow"),
    ),
    Component(
        name="scheduler",
        command=_airflow("scheduler", "--skip-serve-logs"),  # the API server reads the files: no port on every address
        environment=environment.airflow_of("scheduler"),
        healthy=health.airflow_job("SchedulerJob"),
        needs=("migrate",),
    ),
    Component(
        name="api-server",
        command=_airflow("api-server"),
        environment=environment.airflow_of("api-server"),
        healthy=health.api_server,
        needs=("migrate",),
        ports=("airflow",),
        prepare=environment.write_passwords,
        settle=pools.create,
    ),
    Component(
        name="mlflow",
        command=_mlflow,
        environment=environment.mlflow,
        healthy=health.mlflow,
        needs=("postgres",),
        ports=("mlflow",),
        prepare=environment.write_mlflow_config,
        settle=mlflow_accounts.create,
    ),
    Component(
        name="dag-processor",
        command=_airflow("dag-processor"),
        environment=environment.airflow_of("dag-processor"),
        healthy=health.airflow_job("DagProcessorJob"),
        needs=("migrate",),
    ),
    Component(
        name="triggerer",
        command=_airflow("triggerer", "--skip-serve-logs"),
        environment=environment.airflow_of("triggerer"),
        healthy=health.airflow_job("TriggererJob"),
        needs=("migrate",),
    ),
    Component(
        name="fork-server",
        command=_fork_server,
        environment=environment.fork_server,
        needs=("scheduler", "api-server"),  # it imports for some ten seconds, which others need first; nobody waits for it
        stop_timeout=1,
    ),
    Component(
        name="gateway",
        command=_gateway,
        environment=environment.gateway,
        healthy=health.gateway,
        ports=("gateway",),
        stop_timeout=38,  # requests in flight, what waits for the shadow, the agent: ten seconds each at most, and a few more
    ),
)


def component(name: str) -> Component:
    for each in COMPONENTS:
        if each.name == name:
            return each
    raise SpecError(f"There is no component {name!r}.", seen=name, hint=f"one of {', '.join(c.name for c in COMPONENTS)}.")


def select(only: Collection[str] = ()) -> tuple[Component, ...]:
    """The named components and all that they need, in the table's order; all where none is named."""
    wanted = {name for each in only for name in _with_needs(each)}
    return tuple(each for each in COMPONENTS if not only or each.name in wanted)


def _with_needs(name: str) -> Iterator[str]:
    yield name
    for need in component(name).needs:
        yield from _with_needs(need)
