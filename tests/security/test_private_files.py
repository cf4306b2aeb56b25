"""What is written is its owner's alone; and which accounts there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from include.core.control import ControlStore
from include.core.errors import ConflictError, SlipstreamError
from include.core.private_files import private_folder, tighten
from include.core.storage import LocalStorage
from include.local import environment
from include.local.credentials import Credentials
from include.local.platform import Platform
from tests.security.given_secrets import HIDDEN, held, mode

# -- files -------------------------------------------------------------------------------------------------


@pytest.fixture
def open_mask() -> Any:
    before = os.umask(0o022)
    yield
    os.umask(before)


def others_may(folder: Path) -> list[str]:
    return [f"{path} {mode(path):o}" for path in (folder, *folder.rglob("*")) if mode(path) & 0o077]


@pytest.mark.usefixtures("open_mask")
def test_what_is_written_is_its_owners_alone_whatever_the_mask(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "store")
    storage.write("a/b", b"x")
    assert storage.create("a/c", b"x")
    (tmp_path / "source").write_text("x")
    storage.upload(tmp_path / "source", "a/d")
    assert mode(tmp_path / "store") == 0o700
    assert {mode(path) for path in (tmp_path / "store" / "a").iterdir()} == {0o600}
    control = ControlStore(f"sqlite:///{tmp_path}/control.db")
    control.create_tables()
    with control.transaction():
        assert not [path for path in tmp_path.glob("control.db*") if mode(path) & 0o077]


@pytest.mark.usefixtures("open_mask")
def test_the_command_and_a_job_leave_nothing_that_others_may_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    env = {**os.environ, "SLIPSTREAM_HOME": str(home), "PYTHONPATH": "."}
    code = (
        "import sys; from include.core import task\n"
        "try: task.main(['train/none', '--generation', '1', '--attempt', '1'])\n"
        "except BaseException: pass\n"
        "from pathlib import Path; (Path(sys.argv[1]) / 'made').write_text('x')"
    )
    subprocess.run([sys.executable, "-c", code, str(home)], env=env, check=True, capture_output=True)
    assert (home / "made").exists()
    assert others_may(home) == []


@pytest.mark.usefixtures("open_mask")
def test_modes_of_an_earlier_version_are_corrected_and_reported_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for folder in ("store", "logs", "postgres"):
        (home / folder).mkdir(parents=True)
    for file in ("control.db", "control.db-wal", "connections.env"):
        (home / file).write_text("x")
    (home / "link").symlink_to(tmp_path)
    before = mode(tmp_path)
    told = tighten(home)
    assert mode(home / "control.db") == 0o600
    assert mode(home / "store") == 0o700
    assert mode(home) & 0o076 == 0
    assert mode(home / "postgres") == 0o755  # the database's account has to reach its own
    assert mode(tmp_path) == before  # a link is not followed
    assert any(f"{home}/control.db: was 0644, is 0600 now" in line for line in told)
    assert tighten(home) == []


def test_rays_open_folder_lies_in_one_that_nobody_else_may_enter(platform: Platform) -> None:
    assert platform.ray_folder.parent == platform.short_folder
    made = private_folder(platform.home / "short")
    assert mode(made) == 0o700
    (made / "ray").mkdir()
    (made / "ray").chmod(0o777)  # as Ray does
    assert private_folder(made) == made


def test_a_folder_that_somebody_else_put_there_first_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "guessed").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("x")
    for name in ("guessed", "file"):
        with pytest.raises(ConflictError, match="not a folder of ours"):
            private_folder(tmp_path / name)


# -- accounts ----------------------------------------------------------------------------------------------


def test_what_the_dag_processor_writes_without_a_key_is_read_with_one(credentials: Credentials) -> None:
    """Arguments of watchers: the only thing for which it would need the key to everybody's connections."""
    code = (
        "import os; from airflow.models.trigger import Trigger; from airflow.models.crypto import get_fernet\n"
        "written = Trigger.encrypt_kwargs({'model': 'm'}); get_fernet.cache_clear()\n"
        "os.environ['AIRFLOW__CORE__FERNET_KEY'] = os.environ['KEY']\n"
        "assert get_fernet().is_encrypted\n"
        "print(written.startswith('{'), Trigger._decrypt_kwargs(written))"
    )
    env = {**os.environ, "AIRFLOW__CORE__FERNET_KEY": "", "KEY": credentials.airflow_fernet_key}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith("True {'model': 'm'}")


def test_a_person_sees_no_administrators_password_in_a_tasks_environment(platform: Platform, credentials: Credentials) -> None:
    env = environment.airflow(platform, credentials, {})
    assert not {"mlflow_admin", "postgres", "airflow_admin"} & held(env, credentials)


def test_mlflows_account_for_jobs_may_delete_nothing_and_register_nothing() -> None:
    from include.local.mlflow_accounts import JOBS, REGISTRY
    from include.local.mlflow_accounts import RIGHTS as ACCOUNTS

    assert ACCOUNTS[JOBS]["registered_model"] == "DENY"
    assert "MANAGE" not in ACCOUNTS[JOBS].values()
    assert set(ACCOUNTS) == {JOBS, REGISTRY}


def test_accounts_are_made_once_and_their_passwords_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from include.local import mlflow_accounts

    asked: list[tuple[str, str]] = []

    def answer(client: httpx.Client, method: str, path: str, json: dict[str, str]) -> Any:
        asked.append((method, path.rpartition("mlflow/")[2]))
        exists = path.endswith("users/create")
        return SimpleNamespace(
            is_error=exists, text='{"error_code": "RESOURCE_ALREADY_EXISTS"}' if exists else "", status_code=400
        )

    monkeypatch.setattr(httpx.Client, "request", answer)
    mlflow_accounts.ensure("http://h", HIDDEN, {mlflow_accounts.JOBS: "x"}, ["m"])
    assert asked[:2] == [("POST", "users/create"), ("PATCH", "users/update-password")]
    assert asked[-1] == ("POST", "experiments/create")
    monkeypatch.setattr(httpx.Client, "request", lambda *_, **__: SimpleNamespace(is_error=True, text="no", status_code=403))
    with pytest.raises(SlipstreamError) as caught:
        mlflow_accounts.ensure("http://h", HIDDEN, {mlflow_accounts.JOBS: "x"})
    assert HIDDEN not in f"{caught.value}"
