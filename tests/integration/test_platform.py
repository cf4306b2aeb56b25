"""The local platform, for real: a subset under the supervisor, killed, restarted, taken down."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import psycopg2
import psycopg2.errors
import pytest

from include.backends.mlflow.rest import MlflowRest
from include.core.control import ControlStore
from include.core.errors import ConflictError, PermanentError
from include.core.settings import Settings
from include.local.connections import addresses, read_file
from include.local.credentials import Credentials
from include.local.down import down
from include.local.mlflow_accounts import JOBS, REGISTRY
from include.local.orphans import find
from include.local.platform import Platform
from include.local.ports import DEFAULT_PORTS, free_ports, is_free
from include.local.postgres import dsn, superuser_dsn, url
from include.local.roles import DAGS, create_databases, grant_parsing
from include.local.roles import DATABASES as ROLES
from include.local.status import status
from include.local.up import up
from tests.support.ends import command_line, is_gone

SUBSET = ["mlflow"]  # and what it needs: postgres


def make_platform() -> Platform:
    # Not tmp_path: root's PostgreSQL runs as nobody, who must be able to reach its data.
    home = Path(tempfile.mkdtemp(prefix="slipstream-test-"))
    return Platform(home, ports=dict(zip(DEFAULT_PORTS, free_ports(len(DEFAULT_PORTS)), strict=True)))


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    platform = make_platform()
    try:
        up(platform, SUBSET)
        yield platform
    finally:
        down(platform)
        shutil.rmtree(platform.home, ignore_errors=True)


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False


def pid_of(platform: Platform, name: str) -> int:
    return next(line.pid for line in status(platform) if line.name == name)


def healthy(platform: Platform, name: str) -> bool:
    return any(line.name == name and not line.problem for line in status(platform))


def test_what_was_asked_for_is_healthy_and_nothing_else_runs(platform: Platform) -> None:
    assert {line.name for line in status(platform) if not line.problem} == {"postgres", "mlflow"}


def test_mlflow_refuses_the_anonymous_and_takes_the_generated_password(platform: Platform) -> None:
    url = f"{platform.url('mlflow')}/api/2.0/mlflow/experiments/search?max_results=1"
    password = Credentials.load(platform.home).mlflow_admin
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=("admin", "password1234")).status_code == 401
    assert httpx.get(url, auth=("admin", password)).status_code == 200


def test_every_socket_is_on_loopback(platform: Platform) -> None:
    pids = {process.pid for line in status(platform) if line.pid for process in family(line.pid)}
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid in pids]
    assert {c.laddr.port for c in listening} >= {platform.ports["mlflow"], platform.ports["postgres"]}
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def test_the_control_store_is_ready_and_the_connections_are_written(platform: Platform) -> None:
    store = ControlStore(Settings.from_env(addresses(platform)).control_url)
    assert store.effect("none") is None
    assert read_file(platform.home)["SLIPSTREAM_MLFLOW_URL"] == platform.url("mlflow")


def test_a_role_opens_its_own_database_and_no_other(platform: Platform) -> None:
    credentials = Credentials.load(platform.home)
    for role in ROLES:
        with closing(psycopg2.connect(dsn(platform, credentials, role))) as own, own.cursor() as cursor:
            cursor.execute("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user")
            assert cursor.fetchone() == (False,)
        for other in {*ROLES, "postgres"} - {role}:
            with pytest.raises(psycopg2.OperationalError, match="permission denied"):
                psycopg2.connect(dsn(platform, credentials, role).replace(f"/{role}?", f"/{other}?"))


def test_what_an_earlier_version_made_as_the_superuser_gets_its_owner(platform: Platform) -> None:
    credentials = Credentials.load(platform.home)
    with closing(psycopg2.connect(superuser_dsn(platform, credentials, "airflow"))) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TYPE kind AS ENUM ('a'); CREATE TABLE connection (id serial PRIMARY KEY, kind kind)")
        cursor.execute("CREATE TABLE dag (id serial PRIMARY KEY); CREATE VIEW seen AS SELECT * FROM dag")
        connection.commit()
    for _ in range(2):
        create_databases(platform, credentials)
        grant_parsing(platform, credentials)
    with closing(psycopg2.connect(dsn(platform, credentials, "airflow"))) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TYPE kind ADD VALUE 'b'")
        cursor.execute("INSERT INTO connection DEFAULT VALUES; ALTER TABLE dag ADD COLUMN name text; DROP VIEW seen")
        connection.commit()
    parsing = url(platform, credentials, "airflow", DAGS).replace("+psycopg2", "")
    with closing(psycopg2.connect(parsing)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO dag (name) VALUES ('a') RETURNING id")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT * FROM connection")


def test_jobs_log_runs_and_do_nothing_else(platform: Platform) -> None:
    credentials = Credentials.load(platform.home)
    jobs = MlflowRest(platform.url("mlflow"), JOBS, credentials.mlflow_jobs)
    registry = httpx.Client(base_url=f"{platform.url('mlflow')}/api/2.0/mlflow", auth=(REGISTRY, credentials.mlflow_registry))
    experiment = jobs.experiment("flight_delay")
    run = jobs.create_run(experiment, "live", {"mine": "yes"}, 1)
    jobs.log_batch(run, [("auc", 0.5, 1, 1)], {"delivered": "1"})
    jobs.finish_run(run, 2)
    assert [each["info"]["run_id"] for each in jobs.runs(experiment, "mine", "yes")] == [run]
    for path, body in (
        ("/runs/delete", {"run_id": run}), ("/experiments/delete", {"experiment_id": experiment}),
        ("/registered-models/create", {"name": "mine"}), ("/users/update-password", {"username": "admin", "password": "x" * 20}),
    ):  # fmt: skip
        with pytest.raises(PermanentError, match="refused"):
            jobs._call("PATCH" if "users" in path else "POST", path, json=body)
    assert registry.post("/registered-models/create", json={"name": "theirs"}).status_code == 200
    assert registry.post("/runs/delete", json={"run_id": run}).status_code == 200
    alias = {"name": "theirs", "alias": "champion", "version": "1"}
    with pytest.raises(PermanentError, match="refused"):
        jobs._call("POST", "/registered-models/alias", json=alias)


def test_nothing_of_a_running_platform_is_open_to_others(platform: Platform) -> None:
    theirs = platform.postgres  # of the database's own account, under root
    found = [path for path in platform.home.rglob("*") if theirs not in (path, *path.parents) and not path.is_symlink()]
    assert [f"{path} {path.stat().st_mode & 0o777:o}" for path in found if path.stat().st_mode & 0o077] == []
    secrets = [path.read_text() for path in (platform.home / "secrets").iterdir()]
    for process in (process for line in status(platform) if line.pid for process in family(line.pid)):
        assert not [secret for secret in secrets if secret in command_line(process)]
    for log in platform.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log


def test_a_second_up_reuses_what_runs_and_says_so(platform: Platform) -> None:
    before = pid_of(platform, "mlflow")
    said: list[str] = []
    seconds = up(platform, SUBSET, say=said.append)
    assert seconds == {"postgres": 0.0, "mlflow": 0.0}
    assert all("already running" in line for line in said)
    assert pid_of(platform, "mlflow") == before


def test_a_killed_database_is_restarted_with_what_was_committed(platform: Platform) -> None:
    credentials = Credentials.load(platform.home)
    url, auth = f"{platform.url('mlflow')}/api/2.0/mlflow/experiments", ("admin", credentials.mlflow_admin)
    made = httpx.post(f"{url}/create", json={"name": "kept"}, auth=auth, timeout=30).json()["experiment_id"]
    killed = pid_of(platform, "postgres")
    os.kill(killed, signal.SIGKILL)
    assert wait_for(lambda: pid_of(platform, "postgres") not in (0, killed) and healthy(platform, "postgres"))

    def found() -> bool:  # the pool's first connections are dead: MLflow drops them one by one
        answer = httpx.get(f"{url}/get-by-name", params={"experiment_name": "kept"}, auth=auth, timeout=30)
        return answer.status_code == 200 and answer.json()["experiment"]["experiment_id"] == made

    assert wait_for(found)


def test_other_ports_for_a_running_home_are_refused(platform: Platform) -> None:
    moved = Platform(platform.home, ports={**platform.ports, "mlflow": free_ports(1)[0]})
    with pytest.raises(ConflictError, match="SLIPSTREAM_MLFLOW_PORT"):
        up(moved, SUBSET)


def test_a_port_that_someone_holds_is_refused_and_nothing_starts() -> None:
    other = make_platform()
    try:
        with (
            socket.create_server(("127.0.0.1", other.ports["mlflow"])),
            pytest.raises(
                ConflictError, match=f"port {other.ports['mlflow']} .wanted by mlflow. is held by process {os.getpid()}"
            ),
        ):
            up(other, SUBSET)
        assert status(other) == []
        assert find(other) == []
    finally:
        shutil.rmtree(other.home, ignore_errors=True)


def group_of(process: psutil.Process) -> int | None:
    """None for a process that ended since it was listed."""
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def test_a_killed_server_is_restarted_in_a_group_of_its_own(platform: Platform) -> None:
    killed = pid_of(platform, "mlflow")
    os.kill(killed, signal.SIGKILL)
    assert wait_for(lambda: pid_of(platform, "mlflow") not in (0, killed))
    started = pid_of(platform, "mlflow")
    assert os.getpgid(started) == started
    assert wait_for(lambda: killed not in [group_of(process) for process in find(platform)])  # its workers went too


def test_down_leaves_no_process_and_no_port(platform: Platform) -> None:  # last: it ends the module's platform
    processes = [process for line in status(platform) if line.pid for process in family(line.pid)]
    down(platform)
    assert [process for process in processes if not is_gone(process)] == []
    assert all(is_free(platform.ports[name]) for name in ("mlflow", "postgres"))
    assert status(platform) == []
    down(platform)  # again: nothing happens
