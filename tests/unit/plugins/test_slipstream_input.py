"""A stranger's bytes at the Models page: a 4xx with a reason, and no traceback, with a login as well as without one."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from plugins.slipstream_input import MAX_BODY, Unreadable, check_body, check_target
from tests.support.console_site import Site
from tests.support.toy_ledger import MODEL

DIGITS = "9" * 5000
BODIES = {
    "brackets": b"[" * 50_000,
    "braces": b'{"reason":' * 5_000,
    "no UTF-8": b'{"reason": "\xff\xfe"}',
    "half a surrogate": b'{"reason": "abc\\ud800"}',
    "half a surrogate in a name": b'{"\\udfff": 1, "reason": "because"}',
    "half a surrogate as UTF-8": b'{"reason": "\xed\xa0\x80"}',
    "NUL": b'{"reason": "abc\\u0000"}',
    "UTF-16": '{"reason": "because"}'.encode("utf-16"),
    "an integer of 5,000 digits": f'{{"reason": {DIGITS}}}'.encode(),
    "an integer of 5,000 digits beside it": f'{{"reason": "because", "n": {DIGITS}}}'.encode(),
    "half": b'{"reason": "bec',
    "nothing": b"",
    "a number": b"1e999",
    "a list": b'["because"]',
    "too long": json.dumps({"reason": "x" * 501}).encode(),
    "too much": json.dumps({"reason": "x" * MAX_BODY}).encode(),
    "a field too many": b'{"reason": "because", "more": 1}',
}
TARGETS = [
    f"/api/models/{MODEL}/trace?version={DIGITS[:1900]}",
    f"/api/models/{MODEL}/trace?version=99999999999999999999",
    f"/api/models/{MODEL}/trace?version=2147483648",
    f"/api/models/{MODEL}/trace?version=-1",
    f"/api/models/{MODEL}/trace?version=1%00",
    f"/api/models/{MODEL}/trace?version=%ff",
    f"/api/models/{MODEL}/trace?version=",
    f"/api/models/{MODEL}/trace?version=77",
    "/api/models/%00",
    f"/api/models/{MODEL}%00/trace",
    "/api/models/%ff%fe",
    "/api/models/%ED%A0%80",
    "/api/models/a%0d%0ab",
    "/api/models/..",
    "/api/models/%2e%2e/trace",
    f"/api/models/{'x' * 900}",
    f"/api/models/{'x' * 5000}/windows",
    f"/api/models/{MODEL}/rollouts/%00",
    f"/api/models/{MODEL}/rollouts/{'x' * 5000}",
    "/files/../../etc/passwd",
    "/files/ledger/..%2f..%2fetc/x.html",
    "/files/%2e%2e/%2e%2e/etc/passwd.html",
    "/files/ledger/a/b/g0/%00.html",
    f"/files/ledger/a/b/g0/{'x' * 900}.html",
    f"/files/{'a/' * 400}x.html",
    "/files//etc/passwd.html",
]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_none_is_reported_on_every_write(site: Site, body: bytes) -> None:
    writes = ("rollback", "invalidate", "rollout/pause", "rollout/resume", "rollout/abort")
    with site.client("op") as op, site.client() as nobody:
        for route in writes:
            answer = op.post(f"/api/models/{MODEL}/{route}", content=body, headers={"Content-Type": "application/json"})
            assert 400 <= answer.status_code < 500, answer.text
            assert answer.json()["error"]
            assert len(answer.content) < 2000
        answer = nobody.post(f"/api/models/{MODEL}/rollback", content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("body", ["[1]", "{}", '{"reason": 5}', '{"reason": "ab"}'])
def test_what_was_sent_does_not_come_back(site: Site, body: str) -> None:
    with site.client("op") as op:
        answer = op.post(f"/api/models/{MODEL}/rollback", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "input" not in answer.json()
    assert answer.json()["seen"].startswith("body")


KEYS = [{"key": "../../x"}, {"key": "train/" + "f" * 5000}, {"key": "train/\x7f"}, {"step": "../.."}, {"step": "x" * 5000}]


@pytest.mark.parametrize("changes", [*KEYS, {"day": "x" * 5000}])
def test_a_key_that_is_none_is_reported(site: Site, changes: dict[str, str]) -> None:
    with site.client("op") as op:
        body = json.dumps({"reason": "because", **changes})
        answer = op.post(f"/api/models/{MODEL}/invalidate", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:60])
def test_an_address_that_is_none_is_reported(site: Site, target: str) -> None:
    """As raw bytes: a client would tidy them up."""
    place = urlsplit(site.url)
    for role in ("op", ""):
        login = f"Authorization: Bearer {site.tokens[role]}\r\n" if role else ""
        with closing(socket.create_connection((place.hostname, place.port), timeout=30)) as end:
            end.sendall(f"GET /slipstream{target} HTTP/1.1\r\nHost: {place.netloc}\r\n{login}Connection: close\r\n\r\n".encode())
            status = int(end.makefile("rb").read().split()[1])
        assert 400 <= status < 500, (target, role)


def test_the_page_answers_all_the_while(site: Site) -> None:
    with site.client("op") as op:
        assert op.get(f"/api/models/{MODEL}").status_code == 200


@pytest.mark.parametrize("body", [b"", b"null", b"{}", '{"reason": "é 漢 😀"}'.encode(), b'{"reason": "\\ud83d\\ude00"}'])
def test_what_can_be_read_passes(body: bytes) -> None:
    check_body(body)


@pytest.mark.parametrize("name", ["brackets", "no UTF-8", "half a surrogate", "NUL", "an integer of 5,000 digits", "half"])
def test_what_cannot_be_read_does_not(name: str) -> None:
    with pytest.raises(Unreadable) as told:
        check_body(BODIES[name])
    assert told.value.status == 400


def test_an_address_is_bounded() -> None:
    check_target("/slipstream/api/models/toy", b"version=1&x=%20")
    for path, query, status in (("/x" * 1000, b"", 414), ("/x", b"a" * 3000, 414), ("/x\x00", b"", 400), ("/x", b"a=%0a", 400)):
        with pytest.raises(Unreadable) as told:
            check_target(path, query)
        assert told.value.status == status
