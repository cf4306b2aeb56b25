"""The command that makes, rotates and revokes tokens."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.cli.main import main
from include.core.control import ControlStore
from include.serving.http.access import Access
from include.serving.http.shared_tokens import read_shared
from include.serving.http.tokens import make, parse, read_file
from tests.security.token_files import verdict, write

Slipstream = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kept" / "tokens.json"
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_GATEWAY_TOKENS", str(path))
    return path


@pytest.fixture
def slipstream(path: Path, capsys: pytest.CaptureFixture[str]) -> Slipstream:
    """Exit status, standard output, standard error."""

    def run(*given: str) -> tuple[int, str, str]:
        status = main([*given])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_command_makes_a_token_shows_it_once_and_keeps_its_digest(slipstream: Slipstream, path: Path) -> None:
    status, out, told = slipstream("token", "new", "--model", "*", "--right", "predict", "feedback", "--name", "web")
    secret = out.strip()
    assert status == 0
    assert secret.startswith("slip_")
    assert secret not in told
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    access = Access(file=path, loopback=True)
    assert [verdict(access, secret, right) for right in ("predict", "feedback", "push")] == [200, 200, 403]
    assert secret not in slipstream("token", "list")[1]
    assert "web" in slipstream("token", "list")[1]


def test_the_command_rotates_with_an_overlap_and_revokes(slipstream: Slipstream, path: Path) -> None:
    first = slipstream("token", "new", "--model", "*", "--right", "push", "--name", "feed")[1].strip()
    second = slipstream("token", "rotate", "feed", "--overlap-hours", "1")[1].strip()
    old, new = read_file(path)
    assert old.until is not None
    assert timedelta(minutes=59) < old.until - datetime.now(UTC) <= timedelta(hours=1)
    assert (new.rights, new.models, new.until) == (old.rights, old.models, None)
    access = Access(file=path, loopback=True)
    assert [verdict(access, secret, "push") for secret in (first, second)] == [200, 200]
    assert slipstream("token", "revoke", "feed")[0] == 0
    access._refresh()
    assert [verdict(access, secret, "push") for secret in (first, second)] == [401, 200]


@pytest.mark.parametrize(
    "given",
    [
        ("new", "--model", "nosuch", "--right", "predict"),
        ("new", "--model", "*", "--right", "predict", "--name", "a b"),
        ("new", "--model", "*", "--right", "predict", "--days", "-1"),
        ("new", "--model", "*", "--right", "predict", "--days", "1e300"),
        ("new", "--model", "*", "--right", "predict", "--days", "nan"),
        ("revoke", "nosuch"),
        ("rotate", "nosuch"),
    ],
)
def test_the_command_says_what_is_wrong_and_changes_nothing(slipstream: Slipstream, path: Path, given: tuple[str, ...]) -> None:
    status, _, told = slipstream("token", *given)
    assert status == 1
    assert told.startswith("error: ")
    assert not path.exists()


def test_the_command_refuses_a_file_that_is_open_to_others(slipstream: Slipstream, path: Path) -> None:
    path.parent.mkdir()
    write(path, mode=0o644)
    assert "open to others" in slipstream("token", "list")[2]


def test_tokens_are_long_and_never_the_same() -> None:
    made = {make() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 48
    assert parse(b'{"tokens":[]}', "here") == ()


def test_a_token_of_all_gateways_is_kept_in_the_control_store_and_found_there(
    slipstream: Slipstream, path: Path, tmp_path: Path
) -> None:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    first = slipstream("token", "new", "--model", "*", "--right", "push", "--name", "feed", "--shared")[1].strip()
    assert not path.exists()
    status, _, told = slipstream("token", "new", "--model", "*", "--right", "push", "--name", "feed")
    assert (status, "There is a token of this name" in told) == (1, True)
    second = slipstream("token", "rotate", "feed", "--overlap-hours", "1")[1].strip()
    access = Access(shared=read_shared(store), loopback=True)
    assert [verdict(access, secret, "push") for secret in (first, second, "other")] == [200, 200, 401]
    listed = slipstream("token", "list")[1]
    assert listed.count("the control store") == 2
    slipstream("token", "revoke", "feed")
    assert [token.name.partition("@")[0] for token in read_shared(store)] == ["feed"]
    access.share(read_shared(store))
    access._look = 0.0
    assert [verdict(access, secret, "push") for secret in (first, second)] == [401, 200]


def test_a_file_is_changed_also_while_the_control_store_is_away(
    slipstream: Slipstream, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", "postgresql://nobody@127.0.0.1:1/x")
    status, _, told = slipstream("token", "new", "--model", "*", "--right", "push", "--name", "feed")
    assert (status, "Tokens of the control store are left out" in told) == (0, True)
    assert [token.name for token in read_file(path)] == ["feed"]
