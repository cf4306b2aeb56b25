"""The embedded PostgreSQL under root: what it needs to reach its files, and nothing more."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from include.core.errors import PermanentError
from include.local import postgres, roles
from include.local.credentials import Credentials
from include.local.platform import Platform


def test_only_the_search_permission_is_given_and_only_where_it_lacks(tmp_path: Path) -> None:
    closed, opened = tmp_path / "closed", tmp_path / "closed" / "opened"
    opened.mkdir(parents=True)
    closed.chmod(0o700)
    opened.chmod(0o755)
    postgres.let_through(opened / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert stat.S_IMODE(opened.stat().st_mode) == 0o755


def made(folder: Path) -> Path:
    data = folder / "postgres" / "data"
    (data / "base").mkdir(parents=True)
    for name in ("PG_VERSION", "base/1"):
        (data / name).write_text("18")
    return data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_databases_that_came_from_another_machine_get_their_owner(tmp_path: Path) -> None:
    data, nobody = made(tmp_path), pwd.getpwnam(postgres.UNPRIVILEGED)
    os.chown(data, 4321, 4321)
    postgres.prepare(Platform(tmp_path), Credentials.load(tmp_path))
    assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {nobody.pw_uid}


def test_databases_of_another_user_are_refused_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: data.stat().st_uid + 1)
    with pytest.raises(PermanentError, match=rf"(?s)belong to another user.*not touched.*chown -R \S+ {tmp_path}"):
        postgres.prepare(Platform(tmp_path), Credentials.load(tmp_path))


def test_each_service_has_a_database_of_its_own(tmp_path: Path) -> None:
    platform, credentials = Platform(tmp_path), Credentials.load(tmp_path)
    urls = {name: postgres.url(platform, credentials, name) for name in roles.DATABASES}
    assert len({url.rpartition("@")[0] for url in urls.values()}) == 3  # each with a role and a password of its own
    assert all(f"@127.0.0.1:{platform.ports['postgres']}/{name}" in url for name, url in urls.items())


def test_the_server_listens_on_loopback_tcp_only(tmp_path: Path) -> None:
    command = postgres.command(Platform(tmp_path))
    assert "listen_addresses=127.0.0.1" in command
    assert "unix_socket_directories=" in command
    assert Path(command[0]).is_file()
