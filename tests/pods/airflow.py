"""`python -m tests.pods.airflow`: Airflow's containers of docker/compose.yaml under podman, each with its own command.

As the file has them: user 50000, read-only root, no capabilities, their folders in memory. Not as the file has them: the stand-in
image, this machine's network and servers, one role for every database. Each is asked by its own health check at the end, and its
log is looked through for what a read-only root refuses. Exit status 1 where anything is not as it should be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa

from include.core.table import table
from tests.pods.engine import STANDIN, Engine, site_packages
from tests.pods.servers import HOST, Servers, free_port, servers
from tests.support.deployment_files import ROOT, compose

SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
LAUNCHERS = {"airflow": "-m airflow", "celery": "-m celery", "python": ""}
REFUSED = ("Read-only file system", "Permission denied", "Errno 30", "Errno 13")
FOLDERS = ("/var/lib/slipstream", "/srv/slipstream", "/opt/airflow/logs")
STARTING = 100  # seconds: six processes import Airflow at once
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="  # of nothing that is kept


class Containers:
    def __init__(self, engine: Engine, found: Servers, folder: Path, packages: Path) -> None:
        self._engine, self._folder, self._packages = engine, folder, packages
        self._services = compose()["services"]
        self._api = free_port()
        self._environment = {**self._services["scheduler"]["environment"], **self._addresses(found)}
        self._mounted = dict(self._write_files())

    def _addresses(self, found: Servers) -> dict[str, str]:
        database = sa.make_url(found.control_url).set(database="airflow").render_as_string(hide_password=False)
        return {
            "AIRFLOW_HOME": "/opt/airflow",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__API_AUTH__JWT_SECRET": "jwt-secret-of-the-trial-jwt-secret-of-the-trial-jwt-secret-of-the",
            "AIRFLOW__API__SECRET_KEY": "api-secret-of-the-trial",
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self._api),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__CELERY__BROKER_URL": found.online_url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{self._api}/execution/",
            "SLIPSTREAM_AIRFLOW_URL": f"http://{HOST}:{self._api}",
            "SLIPSTREAM_CONTROL_URL": found.control_url,
            "SLIPSTREAM_ONLINE_URL": found.online_url,
            "SLIPSTREAM_HOME": "/var/lib/slipstream",
            "SLIPSTREAM_ROOT": "/srv/slipstream/store",
        }

    def _write_files(self) -> Iterator[tuple[Path, str]]:
        """What compose mounts, and launchers of the stand-in."""
        setup, launchers = self._folder / "setup", self._folder / "bin"
        setup.mkdir()
        launchers.mkdir()
        for config in compose()["configs"].values():
            (setup / Path(config["file"]).name).write_text((ROOT / "docker" / config["file"]).read_text())
        for name, arguments in LAUNCHERS.items():
            (launchers / name).write_text(f'#!/bin/sh\nexec /usr/bin/python3 {arguments} "$@"\n')
            (launchers / name).chmod(0o755)
        passwords = self._folder / "passwords.json"
        passwords.write_text('{"admin": "a", "op": "b", "viewer": "c"}')
        for path in (*setup.iterdir(), passwords):
            path.chmod(0o644)
        yield setup, "/opt/setup"
        yield launchers, "/opt/slipstream/bin"
        yield passwords, "/run/secrets/airflow_passwords"
        yield ROOT, "/opt/project"
        yield self._packages, "/opt/site"

    def run(self, name: str, *options: str) -> str:
        service: dict[str, Any] = self._services[name]
        in_memory = [*(each.partition(":")[0] for each in service["tmpfs"]), *FOLDERS]
        return self._engine.run(
            "run", f"--name={name}", "--network=host", "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", "--log-driver=k8s-file", *options,
            *(f"--tmpfs={folder}:exec,mode=1777" for folder in sorted(in_memory)),
            *(f"--volume={path}:{target}:ro" for path, target in self._mounted.items()),
            *(f"--env={variable}={value}" for variable, value in self._environment.items()),
            STANDIN, *service["command"], check=False, both=True,
        )  # fmt: skip

    def check(self, name: str) -> tuple[bool, str]:
        """Its health check, as compose has it, in the container."""
        kind, *words = self._services[name]["healthcheck"]["test"]
        asked = words if kind == "CMD" else ["sh", "-c", words[0].replace("$$HOSTNAME", "$(hostname)")]
        asked = [word.replace("127.0.0.1:8080", f"{HOST}:{self._api}") for word in asked]
        said = self._engine.run("exec", name, "sh", "-c", '"$@" 2>&1; echo "status $?"', "sh", *asked, check=False).strip()
        return said.endswith("status 0"), said[-200:].replace("\n", " ")


def prepare(found: Servers) -> None:
    """The database, and the role that compose's grants are for."""
    url = sa.make_url(found.control_url)
    connection = psycopg2.connect(host=url.host, port=url.port, user=url.username, dbname="postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE airflow_dags LOGIN")
        cursor.execute("CREATE DATABASE airflow")
    connection.close()


def trial(engine: Engine, folder: Path, packages: Path) -> list[tuple[str, str, str, bool]]:
    """(container, what, seen, whether it is right)."""
    with servers(folder) as found:
        prepare(found)
        containers = Containers(engine, found, folder, packages)
        begun = time.monotonic()
        said = containers.run("migrate")
        code = engine.inspect("migrate")["State"]["ExitCode"]
        rows = [("migrate", "ended", f"status {code} after {time.monotonic() - begun:.0f} s", code == 0)]
        if code:
            print(said[-2000:], file=sys.stderr)
        for name in SERVICES:
            containers.run(name, "--detach")
        time.sleep(STARTING)
        for name in SERVICES:
            rows += _seen(engine, containers, name)
    return rows


def _seen(engine: Engine, containers: Containers, name: str) -> Iterator[tuple[str, str, str, bool]]:
    running = bool(engine.inspect(name)["State"]["Running"])
    refused = [line for line in engine.logs(name).splitlines() if any(word in line for word in REFUSED)]
    yield name, "runs", "yes" if running else engine.logs(name)[-300:], running
    yield name, "refused by its root file system", f"{len(refused)} lines {' '.join(refused[:2])}", not refused
    if running:
        right, said = containers.check(name)
        yield name, "health check", "answers" if right else said, right


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "dist" / "pods", help="where images are kept between trials")
    options = parser.parse_args(arguments)
    engine = Engine.prepared(options.folder.absolute())
    if engine is None:
        return 2
    packages = site_packages()
    with tempfile.TemporaryDirectory(prefix="pods-") as folder:
        Path(folder).chmod(0o755)
        try:
            rows = trial(engine, Path(folder), packages)
        finally:
            engine.clear()
    print(table(("container", "what", "seen"), [(*row[:3],) if row[3] else (*row[:2], f"{row[2]}   WRONG") for row in rows]))
    wrong = sum(not row[3] for row in rows)
    print(f"pods: {wrong} of {len(rows)} things are not as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
