"""The gateway's own token in a secrets backend: rotated without a restart, and kept where the backend is away."""

from __future__ import annotations

from datetime import timedelta

import pytest

from include.core.connection import Connection
from include.core.errors import UnreachableError
from include.core.time import now
from include.serving.http import access as access_module
from include.serving.http import connection_tokens
from include.serving.http.access import Access
from include.serving.http.connection_tokens import ConnectionTokens
from include.serving.http.request_error import RequestError
from include.serving.http.tokens import digest

LISTED = {"name": "web", "sha256": digest(b"web-1"), "models": ["toy"], "rights": ["predict"]}


def verdict(access: Access, secret: str) -> int:
    try:
        access.check([(b"host", b"localhost"), (b"authorization", f"Bearer {secret}".encode())], "push", "toy")
    except RequestError as refusal:
        return refusal.status
    return 200


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[Connection | Exception | None]:
    monkeypatch.setattr(access_module, "LOOK_SECONDS", 0.0)
    return [Connection(password="first")]


def watched(held: list[Connection | Exception | None]) -> tuple[Access, ConnectionTokens]:
    def read() -> Connection | None:
        if isinstance(held[-1], Exception):
            raise held[-1]
        return held[-1]

    access = Access("first", loopback=False)
    watching = ConnectionTokens(read, access, 120)
    watching.look()
    return access, watching


def test_a_new_password_is_met_and_the_former_one_ends_after_the_overlap(
    held: list[Connection | Exception | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    access, watching = watched(held)
    assert (verdict(access, "first"), verdict(access, "second")) == (200, 401)
    held.append(Connection(password="second", extra={"tokens": [LISTED]}))
    watching.look()
    assert (verdict(access, "first"), verdict(access, "second"), verdict(access, "web-1")) == (200, 200, 403)
    monkeypatch.setattr(access_module, "now", lambda: now() + timedelta(seconds=121))
    assert (verdict(access, "first"), verdict(access, "second")) == (401, 200)


def test_a_password_that_was_removed_ends_at_once(held: list[Connection | Exception | None]) -> None:
    access, watching = watched(held)
    held.append(None)
    watching.look()
    assert verdict(access, "first") in (401, 403)


def test_a_backend_that_is_away_changes_nothing_and_is_logged_once(
    held: list[Connection | Exception | None], caplog: pytest.LogCaptureFixture
) -> None:
    access, watching = watched(held)
    held.append(UnreachableError("Secrets Manager is away."))
    for _ in range(3):
        watching.look()
    assert verdict(access, "first") == 200
    assert [record.name for record in caplog.records if "stay as they were" in record.message] == [connection_tokens.__name__]
