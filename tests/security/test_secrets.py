"""Secrets: each process sees its own, and none is shown, logged, put on a command line or left readable."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.backends.process import jobs as process_jobs
from include.backends.ray import jobs as ray_jobs
from include.core.address import shown, without_login, without_secrets
from include.core.control import ControlStore
from include.core.database import open_engine
from include.core.errors import SlipstreamError
from include.core.ledger import Attempt, Ledger
from include.core.ports import Job
from include.core.request import Request
from include.core.settings import Settings
from include.core.task import job_of
from include.local.components import COMPONENTS, component
from include.local.connections import write_file
from include.local.credentials import Credentials
from include.local.platform import Platform
from include.local.rights import RIGHTS, is_secret
from include.services.services import Services
from tests.security.given_secrets import HIDDEN, held

STORES = {
    "SLIPSTREAM_CONTROL_URL": f"postgresql://slip:{HIDDEN}@db.example:5432/slip",
    "SLIPSTREAM_ONLINE_URL": f"redis://slip:{HIDDEN}@cache.example:6379/0",
}
SERVERS = {
    f"SLIPSTREAM_{name}_URL": f"https://slip:{HIDDEN}@{name.lower()}.example" for name in ("MLFLOW", "RAY", "GATEWAY", "AIRFLOW")
}
DOCKER = Path(__file__).parents[2] / "docker"


# -- each process has what it needs ------------------------------------------------------------------------

NEEDED = {
    "postgres": set(),
    "ray": {"mlflow_jobs"},
    "fork-server": set(),
    "migrate": {"postgres_airflow", "airflow_fernet_key"},
    "scheduler": {
        "postgres_airflow", "airflow_fernet_key", "airflow_jwt_secret", "mlflow_registry", "mlflow_jobs", "ray_token",
        "gateway_admin",
    },
    "api-server": {"postgres_airflow", "airflow_fernet_key", "airflow_jwt_secret", "airflow_api_secret"},
    "mlflow": {"postgres_mlflow", "mlflow_admin", "mlflow_session_key"},
    "dag-processor": {"postgres_airflow_dags"},
    "triggerer": {"postgres_airflow", "airflow_fernet_key", "ray_token"},
    "gateway": {"gateway_admin"},
}  # fmt: skip


@pytest.mark.parametrize("name", [each.name for each in COMPONENTS])
def test_a_process_is_given_the_secrets_of_the_table_alone(name: str, platform: Platform, credentials: Credentials) -> None:
    assert held(component(name).environment(platform, credentials), credentials) == NEEDED[name]


def test_every_component_has_its_line_in_the_table() -> None:
    assert set(NEEDED) == {each.name for each in COMPONENTS} == set(RIGHTS) - {"supervisor"}


PERSONAL = {
    "AWS_SECRET_ACCESS_KEY": HIDDEN, "AIRFLOW_CONN_AWS_DEFAULT": f"aws://id:{HIDDEN}@", "AIRFLOW_CONN_ALERTS": f"http://:{HIDDEN}@h",
    "AIRFLOW_VAR_API": HIDDEN, "GITHUB_TOKEN": HIDDEN, "DATABASE_URL": f"postgresql://u:{HIDDEN}@h/d", "PGPASSWORD": HIDDEN,
    "SLACK": f"https://u:{HIDDEN}@hooks.example", **STORES,
}  # fmt: skip


@pytest.mark.parametrize("name", ["postgres", "mlflow", "migrate", "dag-processor"])
def test_a_persons_own_secrets_do_not_reach_a_process_that_has_no_use_for_them(
    name: str, platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in PERSONAL.items():
        monkeypatch.setenv(variable, value)
    assert HIDDEN not in str(component(name).environment(platform, credentials))


def test_what_tasks_and_servers_work_with_still_reaches_them(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in PERSONAL.items():
        monkeypatch.setenv(variable, value)
    scheduler = component("scheduler").environment(platform, credentials)
    assert PERSONAL.items() <= scheduler.items()
    gateway = component("gateway").environment(platform, credentials)
    assert gateway["SLIPSTREAM_CONTROL_URL"] == STORES["SLIPSTREAM_CONTROL_URL"]
    assert gateway["AWS_SECRET_ACCESS_KEY"] == HIDDEN
    assert "GITHUB_TOKEN" not in gateway
    assert component("ray").environment(platform, credentials).keys() & STORES.keys() == set()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PATH", "/usr/bin", False), ("OMP_NUM_THREADS", "1", False), ("KEYMAP", "de", False), ("HOME_URL", "https://h/", False),
        ("https_proxy", "http://u:p@proxy", False), ("SSH_AUTH_SOCK", "/tmp/x", False),
        ("AWS_SESSION_TOKEN", "x", True), ("API_KEY", "x", True), ("KEY", "x", True), ("SOMETHING", "amqp://u:secret@h", True),
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_name_or_by_a_password_in_an_address(name: str, value: str, expected: bool) -> None:
    assert is_secret(name, value) is expected


def test_the_dag_processor_has_no_key_of_airflows(platform: Platform, credentials: Credentials) -> None:
    env = component("dag-processor").environment(platform, credentials)
    assert env["AIRFLOW__CORE__FERNET_KEY"] == ""  # none: not one that Airflow makes up
    assert not {"AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY"} & env.keys()
    assert not [name for name in env if name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_"))]
    assert "airflow_dags:" in env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


# -- containers --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker")
    (folder / "make-secrets.sh").write_text((DOCKER / "make-secrets.sh").read_text())
    subprocess.run(["bash", str(folder / "make-secrets.sh")], check=True, capture_output=True)
    return folder / "secrets"


def variables(folder: Path, service: dict[str, Any]) -> dict[str, str]:
    lines = [line for name in service.get("env_file", []) for line in (folder / Path(name).name).read_text().splitlines()]
    return {**service.get("environment", {}), **dict(line.split("=", 1) for line in lines)}


CONTAINERS = {
    "dag-processor": {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"},
    "worker": {
        "AIRFLOW__CELERY__RESULT_BACKEND", "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__API__SECRET_KEY", *STORES,
        "AIRFLOW_CONN_SLIPSTREAM_RAY", "AIRFLOW_CONN_SLIPSTREAM_GATEWAY", "AIRFLOW_CONN_SLIPSTREAM_MLFLOW",
        "AIRFLOW_CONN_SLIPSTREAM_ENTITIES", "AIRFLOW_CONN_SLIPSTREAM_DOSSIER",
    },
    "ray": {"AIRFLOW_CONN_SLIPSTREAM_MLFLOW"},
    "gateway": {"AIRFLOW_CONN_SLIPSTREAM_GATEWAY", "AIRFLOW_CONN_SLIPSTREAM_ENTITIES", *STORES},
    "scheduler": {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__CELERY__RESULT_BACKEND", "AIRFLOW__CELERY__BROKER_URL",
    },
    "triggerer": {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_CONN_SLIPSTREAM_RAY", *STORES,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_container_is_given_the_secrets_of_the_table_and_no_other(name: str, made: Path) -> None:
    service = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"][name]
    given = variables(made, service)
    secret = {key for key, value in given.items() if value and (is_secret(key, value) or key in STORES)}
    assert secret == CONTAINERS[name]


def test_each_database_of_the_containers_has_a_role_of_its_own(made: Path) -> None:
    urls = [word for path in made.iterdir() for word in path.read_text().replace("=", " ").split() if "@postgres:5432" in word]
    assert not [url for url in urls if "//postgres:" in url or "db+postgresql://" in url]  # no superuser, no psycopg 3
    logins = {url.partition("//")[2].partition("@")[0]: url.rpartition("/")[2] for url in urls}
    roles = {login.partition(":")[0]: database for login, database in logins.items()}
    assert roles == {
        **{name: name for name in ("airflow", "celery", "mlflow", "mlflow_auth", "slipstream")},
        "airflow_dags": "airflow",
    }
    assert len({login.partition(":")[2] for login in logins}) == 6
    assert {line.split()[2] for line in (made / "roles.sql").read_text().splitlines()} == set(roles)


def test_only_the_scheduler_and_the_workers_reach_the_broker(made: Path) -> None:
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    assert compose["networks"]["broker"] == {"internal": True}
    assert {name for name, each in compose["services"].items() if "broker" in each.get("networks", [])} == {
        "broker", "scheduler", "worker",
    }  # fmt: skip
    password = (made / "broker_password").read_text()
    assert {path.name for path in made.iterdir() if password in path.read_text()} == {
        "broker_password", "scheduler.env", "worker.env",
    }  # fmt: skip


def test_secrets_of_an_earlier_version_are_not_taken_for_these(tmp_path: Path) -> None:
    (tmp_path / "make-secrets.sh").write_text((DOCKER / "make-secrets.sh").read_text())
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "airflow.env").write_text("kept")
    done = subprocess.run(["bash", str(tmp_path / "make-secrets.sh")], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "docs/operating.md" in done.stderr
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["airflow.env"]


# -- jobs --------------------------------------------------------------------------------------------------


def settings_with_secrets(home: Path, **more: str) -> Settings:
    conns = {
        f"AIRFLOW_CONN_{name}": f"http://x:{HIDDEN}-and-long@h"
        for name in ("SLIPSTREAM_RAY", "SLIPSTREAM_GATEWAY", "SLIPSTREAM_MLFLOW")
    }
    return Settings.from_env({"SLIPSTREAM_HOME": str(home), **STORES, **SERVERS, **conns, **more})


def test_what_a_waiting_task_leaves_in_airflows_database_holds_no_password(tmp_path: Path) -> None:
    """The trigger, which the triggerer's table keeps, and the link to the job, which is an XCom."""
    from operators.triggers import JobTrigger

    jobs = Services(settings_with_secrets(tmp_path)).jobs("ray")
    assert HIDDEN not in f"{JobTrigger(backend='ray', name='slip-a').serialize()} {jobs.url('slip-a')}"


ELSEWHERE = {
    "here": {},
    "package": {"SLIPSTREAM_RAY_CODE": "package"},
    "image": {"SLIPSTREAM_RAY_PROJECT": "/opt/project"},
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(ELSEWHERE))
def test_what_ray_is_handed_and_shows_holds_no_password(tmp_path: Path, code: str) -> None:
    """Whatever logins there are: those that a job is given go sealed."""
    for_jobs = {f"AIRFLOW_CONN_{name}": f"aws://id:{HIDDEN}@" for name in ("AWS_DEFAULT", "SLIPSTREAM_MLFLOW_JOBS")}
    settings = settings_with_secrets(tmp_path / "home", **for_jobs, **ELSEWHERE[code], SLIPSTREAM_ROOT=str(tmp_path / "shared"))
    ledger = Ledger(settings.storage())
    ledger.record(request := Request("train", "x:y", "m", {}))
    job = job_of(Attempt(request.key, 1, 1), ledger)
    jobs = Services(settings).jobs("ray")
    assert isinstance(jobs, ray_jobs.RayJobs)
    body = jobs._request(job)
    assert HIDDEN not in json.dumps(body)
    assert ("SLIPSTREAM_JOB_LOGINS" in body["runtime_env"]["env_vars"]) is (code != "here")
    assert HIDDEN not in repr(job) + repr(settings) + str(settings)
    env = body["runtime_env"]["env_vars"]
    assert not STORES.keys() & env.keys()
    assert env["SLIPSTREAM_MLFLOW_URL"] == "https://mlflow.example"


def test_even_a_job_that_asks_for_it_hands_ray_no_password(tmp_path: Path) -> None:
    job = Job("j", "m", env={**STORES, "MINE": f"amqp://u:{HIDDEN}@h/v", "COLOUR": "teal"})
    env = ray_jobs.open_jobs(settings_with_secrets(tmp_path))._request(job)["runtime_env"]["env_vars"]
    assert HIDDEN not in str(env)
    assert (env["MINE"], env["COLOUR"]) == ("amqp://h/v", "teal")


def test_a_local_job_sees_neither_airflows_secrets_nor_other_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW_VAR_KEY",
        "MLFLOW_TRACKING_PASSWORD",
        *STORES,
    ):
        monkeypatch.setenv(name, HIDDEN)
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW_JOBS", "http://jobs:little@h")
    env = process_jobs.open_jobs(settings_with_secrets(tmp_path))._env(Job("j", "m", env=STORES))
    assert HIDDEN not in str(env)
    assert env["AIRFLOW_CONN_SLIPSTREAM_MLFLOW"] == "http://jobs:little@h"
    assert env["SLIPSTREAM_HOME"] == str(tmp_path)


# -- what is shown -----------------------------------------------------------------------------------------

URLS = [
    f"postgresql://slip:{HIDDEN}@h:5432/d", f"redis://:{HIDDEN}@h:6379/0", f"postgresql:///d?user=u&password={HIDDEN}&host=h",
    f"postgresql://slip:{HIDDEN}/x@h:5432/d", f"postgresql://slip:a?{HIDDEN}@h:5432/d", f"postgresql://slip:a@{HIDDEN}@h:5432/d",
    f"postgresql://h/d?sslpassword={HIDDEN}",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_an_address_is_shown_without_its_password(url: str) -> None:
    assert HIDDEN not in shown(url)
    assert HIDDEN not in repr(Settings(control_url=url, online_url=url, mlflow_url=url, root=url))


@pytest.mark.parametrize("url", URLS[:3])
def test_a_librarys_words_are_reported_without_the_password(url: str) -> None:
    assert HIDDEN not in without_secrets(f"cannot connect as slip with {HIDDEN}", url)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://u:p@h:5500/x", "http://h:5500/x"), ("http://token@h", "http://h"), ("http://h:80/a@b", "http://h:80/a@b"),
        ("http://h", "http://h"), ("/a/folder", "/a/folder"), ("postgresql://u:p/q@h/d", "postgresql://h/d"),
    ],
)  # fmt: skip
def test_a_login_is_taken_off_an_address_and_nothing_else(url: str, plain: str) -> None:
    assert without_login(url) == plain


def test_a_login_in_a_servers_address_becomes_its_connection(tmp_path: Path) -> None:
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path), **SERVERS})
    assert settings.ray_url == "https://ray.example"
    assert settings.environ["AIRFLOW_CONN_SLIPSTREAM_RAY"] == SERVERS["SLIPSTREAM_RAY_URL"]  # so it still opens it
    told = {"AIRFLOW_CONN_SLIPSTREAM_RAY": "http://:known@h", **SERVERS}
    assert Settings.from_env(told).environ["AIRFLOW_CONN_SLIPSTREAM_RAY"] == "http://:known@h"


def test_no_error_of_a_store_or_a_server_shows_its_password(tmp_path: Path) -> None:
    refused = f"postgresql://slip:{HIDDEN}@127.0.0.1:1/slip"
    said = []
    for attempt in (
        lambda: ControlStore(refused).effect("x"),
        lambda: open_engine(f"oracle://slip:{HIDDEN}@h/d"),
        lambda: ray_jobs.RayJobs(f"http://u:{HIDDEN}@127.0.0.1:1").status("x"),
        lambda: Settings.from_env({"SLIPSTREAM_ROOT": f"ftp://u:{HIDDEN}@h/x"}).storage(),
    ):
        with pytest.raises(SlipstreamError) as caught:
            attempt()
        said.append(f"{caught.value!r} {caught.value} {caught.value.seen}")
    assert len(said) == 4
    assert HIDDEN not in " ".join(said)
    assert HIDDEN not in repr(ControlStore(refused).engine)


def test_no_secret_is_on_a_command_line_or_in_the_supervisors_files(platform: Platform, credentials: Credentials) -> None:
    from include.local.supervisor import render

    text = render(platform, COMPONENTS) + " ".join(word for each in COMPONENTS for word in each.command(platform))
    assert not [name for name, secret in asdict(credentials).items() if secret in text]


def test_the_connections_file_holds_no_administrators_login(platform: Platform, credentials: Credentials) -> None:
    assert credentials.mlflow_admin not in write_file(platform, credentials).read_text()
