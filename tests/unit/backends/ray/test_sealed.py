"""Logins in an envelope: for one job of one cluster, and for nobody who only looks at it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from include.backends.ray.sealed import node_token, opened, seal
from include.core.errors import PermanentError, SpecError

TOKEN = "a-token-of-the-cluster"
LOGINS = {"AIRFLOW_CONN_AWS_DEFAULT": "aws://id:gut-gehuetet@/?region_name=eu-central-1"}


def test_what_is_sealed_is_opened_by_the_job_it_is_for_and_shows_nothing() -> None:
    envelope = seal(LOGINS, "slip-a", TOKEN)
    assert opened(envelope, "slip-a", TOKEN) == LOGINS
    assert seal(LOGINS, "slip-a", TOKEN) != envelope  # two envelopes do not tell that they hold the same
    for text in (envelope, repr(base64.urlsafe_b64decode(envelope))):
        assert "gut-gehuetet" not in text
        assert TOKEN not in text


@pytest.mark.parametrize(("job", "token"), [("slip-b", TOKEN), ("slip-a", f"{TOKEN}x"), ("slip-a", "")])
def test_it_opens_for_no_other_job_and_by_no_other_token(job: str, token: str) -> None:
    with pytest.raises(PermanentError, match=r"(?s)cannot be opened.*slipstream_ray") as refused:
        opened(seal(LOGINS, "slip-a", TOKEN), job, token)
    assert "gut-gehuetet" not in repr(refused.value)


@pytest.mark.parametrize("at", [0, 1, 20, 30, -1])
def test_an_envelope_that_was_changed_is_refused(at: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(seal(LOGINS, "slip-a", TOKEN)))
    data[at] ^= 1
    with pytest.raises(PermanentError, match="cannot be opened"):
        opened(base64.urlsafe_b64encode(bytes(data)).decode(), "slip-a", TOKEN)


@pytest.mark.parametrize("token", ["", "short"])
def test_without_a_token_that_hides_something_nothing_is_sent(token: str) -> None:
    with pytest.raises(SpecError, match=r"(?s)RAY_AUTH_MODE=token.*SLIPSTREAM_RAY_LOGINS=nodes"):
        seal(LOGINS, "slip-a", token)


def test_a_node_has_its_token_where_ray_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert node_token({}) == ""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("of the home\n")
    assert node_token({}) == "of the home"
    (tmp_path / "file").write_text("of the file\n")
    named = {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "file")}
    assert node_token(named) == "of the file"
    assert node_token({**named, "RAY_AUTH_TOKEN": " of the environment "}) == "of the environment"
