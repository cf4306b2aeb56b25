"""Generated secrets: private, stable, all different."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from cryptography.fernet import Fernet

from include.core.private_files import write_private
from include.local.credentials import Credentials


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_each_secret_has_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    credentials = Credentials.load(tmp_path)
    assert mode(tmp_path / "secrets") == 0o700
    files = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert set(files) == set(asdict(credentials))
    assert {mode(path) for path in files.values()} == {0o600}


def test_secrets_are_stable_and_all_different(tmp_path: Path) -> None:
    first = Credentials.load(tmp_path)
    assert Credentials.load(tmp_path) == first
    values = list(asdict(first).values())
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 32
    assert Credentials.load(tmp_path / "another") != first


def test_concurrent_first_uses_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: Credentials.load(tmp_path), range(8)))
    assert all(each == seen[0] for each in seen)


def test_the_fernet_key_is_one(tmp_path: Path) -> None:
    key = Fernet(Credentials.load(tmp_path).airflow_fernet_key)
    assert key.decrypt(key.encrypt(b"secret")) == b"secret"


def test_secrets_do_not_show_in_a_repr(tmp_path: Path) -> None:
    credentials = Credentials.load(tmp_path)
    assert not any(value in repr(credentials) for value in asdict(credentials).values())


def test_a_private_file_replaces_one_that_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
