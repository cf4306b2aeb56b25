"""Bringing the machines up, one kind after the other, as an installation does; and waiting until each answers."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence

import psycopg2

from include.core.digest import PROJECT
from tests.e2e.cluster.site import BIN, BUCKET, Site

PATIENCE = 120.0  # seconds until a server answers on a machine that others use as well


def boot(site: Site) -> None:
    """Everything up and answering. A site that was up before finds its databases made."""
    started = time.monotonic()
    _start(site, "s3", "data")
    _wait("s3", lambda: listens(site, "s3", 5000))
    _wait("postgres", lambda: listens(site, "postgres", 5432))
    _make_bucket(site)
    _make_databases(site)
    _migrate(site)
    _start(site, *(name for name in site.machines if name not in ("s3", "data")))
    _wait("api-server", lambda: answers("http://api-server:8080/api/v2/monitor/health"))
    _wait("mlflow", lambda: answers("http://mlflow:5500/health"))
    _accounts(site)
    _wait("ray", lambda: listens(site, "ray", 8265))
    for name in ("gateway-1", "gateway-2"):
        _wait(name, lambda name=name: answers(f"http://{name}:8500/v2/health/live"))  # type: ignore[misc]
    say(f"all {len(site.machines)} machines are up, {time.monotonic() - started:.0f} s")


def say(words: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {words}", flush=True)


def listens(site: Site, name: str, port: int) -> bool:
    try:
        socket.create_connection((site.hosts[name], port), 1.0).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _wait(name: str, look: Callable[[], bool], seconds: float = PATIENCE) -> None:
    began = time.monotonic()
    while not look():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{name} does not answer after {seconds:.0f} s: see the log of its machine")
        time.sleep(0.3)
    say(f"{name} answers, {time.monotonic() - began:.1f} s")


def _start(site: Site, *names: str) -> None:
    for name in names:
        site.machines[name].start()


def _make_bucket(site: Site) -> None:
    site.s3().create_bucket(Bucket=BUCKET)


def _make_databases(site: Site) -> None:
    """What PostgreSQL's image does at its first start: the roles, then the databases."""
    connection = site.database("postgres")
    connection.autocommit = True  # CREATE DATABASE refuses a transaction
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'slipstream'")
        if cursor.fetchone():
            return
        cursor.execute(site.secrets.text("roles.sql"))
        for line in _statements((PROJECT / "docker" / "postgres" / "databases.sql").read_text()):
            cursor.execute(line)
    connection.close()


def _statements(text: str) -> Iterable[str]:
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return (each for each in "\n".join(lines).split(";") if each.strip())


def _migrate(site: Site) -> None:
    """The containers' `migrate`: Airflow's tables and pools, our tables, the rights of the DAG processor's role."""
    environment = site.airflow("migrate", "stores")
    _run([str(BIN / "airflow"), "db", "migrate"], environment)
    _run([str(BIN / "airflow"), "pools", "import", str(PROJECT / "docker" / "airflow" / "pools.json")], environment)
    _run([str(BIN / "slipstream"), "upgrade"], environment)
    connection = psycopg2.connect(environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute((PROJECT / "docker" / "postgres" / "parsing.sql").read_text())
    connection.close()
    say("migrated")


def _accounts(site: Site) -> None:
    _run(
        [str(BIN / "python"), "-m", "include.local.mlflow_accounts"],
        {**site.common(), **site.secrets.environment("mlflow-accounts")},
    )


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """A command of the operator, who is on none of the machines."""
    own = {**environment, "SLIPSTREAM_HOME": "/srv/operator", "AIRFLOW_HOME": "/srv/operator/airflow", "HOME": "/srv/operator"}
    os.makedirs("/srv/operator/airflow", exist_ok=True)
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
