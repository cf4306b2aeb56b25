"""Tokens that all gateways have in common: written by a command, met by every worker, without a restart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.core.control import ControlStore, audit
from include.core.errors import DataError, SpecError, UnreachableError
from include.core.time import now
from include.serving.http import access as access_module
from include.serving.http.access import Access, open_access
from include.serving.http.request_error import RequestError
from include.serving.http.shared_tokens import SharedTokens, add_shared, read_shared, remove_shared, rotate_shared
from include.serving.http.tokens import Token, digest, named
from tests.support.databases import postgres, url  # noqa: F401  (fixtures)


@pytest.fixture
def control(url: str) -> ControlStore:  # noqa: F811
    store = ControlStore(url)
    store.create_tables()
    return store


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "LOOK_SECONDS", 0.0)


def verdict(access: Access, secret: str | None, right: str) -> int:
    given = [] if secret is None else [(b"authorization", f"Bearer {secret}".encode())]
    try:
        access.check([(b"host", b"localhost"), *given], right, "toy")
    except RequestError as refusal:
        return refusal.status
    return 200


def token(name: str, secret: str, right: str = "predict", hours: float | None = None) -> Token:
    until = now() + timedelta(hours=hours) if hours is not None else None
    return named(name, digest(secret.encode()), ["toy"], [right], until)


def test_each_opens_what_it_says_on_every_gateway_and_its_end_is_met_within_a_look(control: ControlStore) -> None:
    gateways = [Access("own", loopback=True) for _ in range(2)]
    watched = [SharedTokens(lambda: control, access) for access in gateways]

    def verdicts(secret: str | None, right: str = "predict") -> set[int]:
        for each in watched:
            each.look()
        return {verdict(access, secret, right) for access in gateways}

    assert verdicts(None) == {200}  # open on loopback: nobody was given a token
    add_shared(control, token("web", "web-1"), "me")
    assert (verdicts("web-1"), verdicts(None), verdicts("web-1", "push")) == ({200}, {401}, {403})
    rotate_shared(control, token("web", "web-1", hours=1), token("web@2", "web-2"), "me")
    assert (verdicts("web-1"), verdicts("web-2")) == ({200}, {200})
    assert remove_shared(control, "web", "me")
    assert not remove_shared(control, "web", "me")
    assert (verdicts("web-1"), verdicts("web-2"), verdicts("own", "push")) == ({401}, {200}, {200})
    with control.transaction() as connection:
        told = connection.execute(audit.select().order_by(audit.c.seq)).all()
    assert [row.action for row in told] == ["token.new", "token.rotate", "token.revoke"]
    assert digest(b"web-1") not in str([row.detail for row in told])


def test_a_name_and_a_token_are_there_once(control: ControlStore) -> None:
    add_shared(control, token("web", "one"), "me")
    with pytest.raises(DataError, match="a token of this name"):
        add_shared(control, token("web", "two"), "me")
    assert [each.name for each in read_shared(control)] == ["web"]


def test_while_the_store_is_away_the_tokens_stand_as_they_were(control: ControlStore, caplog: pytest.LogCaptureFixture) -> None:
    access = Access("own", loopback=False)
    watched = SharedTokens(lambda: control, access)
    add_shared(control, token("web", "one"), "me")
    watched.look()
    assert verdict(access, "one", "predict") == 200

    def away() -> ControlStore:
        raise UnreachableError("it is away")

    watched._control, watched._rows = away, None
    for _ in range(3):
        watched.look()
    assert verdict(access, "one", "predict") == 200
    assert caplog.text.count("stay as they were") == 1


def test_a_gateway_beyond_loopback_may_start_with_common_tokens_alone() -> None:
    assert verdict(open_access("0.0.0.0", shared=[token("web", "one")]), "one", "predict") == 200
    with pytest.raises(SpecError, match="without a token"):
        open_access("0.0.0.0")


def test_one_that_this_release_cannot_read_is_named(control: ControlStore) -> None:
    add_shared(control, token("web", "one"), "me")
    with control.transaction() as connection:
        from include.core.control import tokens

        connection.execute(tokens.update().values(token={"name": "web", "rights": ["fly"]}))
    with pytest.raises(SpecError, match=r"(?s)cannot be read.*web"):
        read_shared(control)


def test_threads_end(tmp_path: Path) -> None:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    watched = SharedTokens(lambda: store, Access("own", loopback=True))
    watched.start()
    watched.stop()
    assert not watched._thread.is_alive()
