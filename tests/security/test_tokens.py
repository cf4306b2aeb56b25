"""Tokens by model and right: what each opens, and nothing else; kept as digests, rotated without a restart."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.core.connection import parse as parse_connection
from include.core.environment import GATEWAY_HOSTS
from include.core.errors import DataError, SpecError
from include.core.settings import Settings
from include.gateway import host as server
from include.routing.route import Route as Served
from include.serving.client import GatewayClient, open_client
from include.serving.http import access as access_module
from include.serving.http.access import Access, from_settings, open_access
from include.serving.http.request_error import RequestError
from include.serving.http.routes import BY_PATTERN, PUBLIC, RIGHTS, ROUTES, find
from include.serving.http.tokens import digest, read_file
from include.serving.openapi import DOCUMENT
from tests.security.token_files import SECRET, entry, headers, verdict, write
from tests.support.gateway_world import MODEL, World, constant

HOSTS = ["localhost", "localhost:8500", "127.0.0.1", "127.0.0.1:8500", "127.1.2.3", "[::1]", "[::1]:8500", "LOCALHOST"]
STRANGERS = [
    "",
    "evil.example",
    "evil.example:8500",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.0.0.1",
    "[::2]",
    "127.1",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(
        tmp_path / "tokens.json",
        *(entry(right, secret, models=(MODEL,), rights=(right,)) for right, secret in SECRET.items()),
        entry("everywhere", "slip_all", rights=("predict",)),
    )


# -- routes ----------------------------------------------------------------------------------------------


def test_every_route_that_is_described_states_a_right() -> None:
    assert set(DOCUMENT["paths"]) == set(BY_PATTERN)
    assert {route.right for route in ROUTES} <= {PUBLIC, *RIGHTS}
    for path, operations in DOCUMENT["paths"].items():
        (method,) = set(operations) - {"parameters"}
        assert method.upper() == BY_PATTERN[path].method
        assert ("security" in operations[method]) == (BY_PATTERN[path].right != PUBLIC)


def test_what_changes_or_tells_something_is_not_public() -> None:
    public = {route.pattern for route in ROUTES if route.right == PUBLIC}
    assert public == {"/", "/openapi.json", "/v2", "/v2/health/live", "/v2/health/ready"}
    assert all(route.right not in (PUBLIC, "read") for route in ROUTES if route.method == "POST")


def test_a_route_is_found_by_its_whole_path_and_method() -> None:
    assert find("POST", "/push/toy/weather@abc") == (BY_PATTERN["/push/{model}/{view}"], {"model": "toy", "view": "weather@abc"})
    for method, path, status in (("GET", "/predict/toy", 405), ("DELETE", "/status", 405), ("GET", "/predict/a/b", 404)):
        with pytest.raises(RequestError) as refused:
            find(method, path)
        assert refused.value.status == status
    with pytest.raises(RequestError) as refused:
        find("POST", "/status")
    assert (b"allow", b"GET, HEAD") in refused.value.headers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("tokens"))
    world.add_model("other")
    world.register(1, constant(0.1))
    world.share(1, ("other", 1))
    world.route(Served(champion=1))
    world.route(Served(champion=1), "other")
    write(
        world.home / "gateway-tokens.json",
        *(entry(right, secret, models=(MODEL,), rights=(right,)) for right, secret in SECRET.items()),
    )
    world.start().close()
    yield world
    world.stop()


# The model here has no items to recommend, and answers nobody asked for to be fetched: the answer says so.
BRINGS_NOTHING = ("/recommend/{model}", "/predictions/{model}/{id}")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
def test_each_token_opens_its_own_routes_of_its_own_models_alone(world: World, route: Any) -> None:
    def ask(model: str, token: str | None) -> int:
        names = {"model": model, "version": "1", "view": "weather", "id": "unknown"}
        path = route.pattern.format(**names) if "{" in route.pattern else route.pattern
        named = {"Authorization": f"Bearer {token}"} if token is not None else {}
        with httpx.Client(base_url=world.url, headers=named, trust_env=False) as http:
            return http.request(route.method, path, json={} if route.method == "POST" else None).status_code

    named = "{model}" in route.pattern
    if route.right == PUBLIC:
        assert ask(MODEL, None) == ask(MODEL, "wrong") == 200
        return
    assert [ask(MODEL, token) for token in (None, "wrong")] == [401, 401]
    for right, secret in SECRET.items():
        status = ask(MODEL, secret)
        opened = status < 401 or (status == 404 and route.pattern in BRINGS_NOTHING)
        assert opened if right in (route.right, "admin") else (status == 403), (right, status)
        assert not named or ask("other", secret) == 403
    assert not named or ask("nobody", SECRET[route.right]) == 403, "which models there are is not told"


def test_an_answer_shows_no_token(world: World) -> None:
    answer = httpx.post(f"{world.url}/push/{MODEL}/weather", json={}, headers={"Authorization": f"Bearer {SECRET['predict']}"})
    assert answer.status_code == 403
    assert SECRET["predict"] not in answer.text
    assert SECRET["predict"] not in world.output()


def test_a_client_with_too_small_a_token_is_reported_where_to_put_another(world: World) -> None:
    for secret in ("wrong", SECRET["predict"]):
        with pytest.raises(DataError, match="refused GET /status") as refused:
            GatewayClient(world.url, secret).status()
        assert "slipstream_gateway" in refused.value.hint
    environ = {"AIRFLOW_CONN_SLIPSTREAM_GATEWAY": f"http://:{SECRET['read']}@127.0.0.1:1"}
    assert open_client(Settings(gateway_url=world.url, environ=environ)).status()["ready"]


@pytest.mark.parametrize("harm", ["no token", "an open file", "a bound that is none"])
def test_a_gateway_that_may_not_start_says_why(harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    if harm == "an open file":
        write(tmp_path / "gateway-tokens.json", entry("a", "a"), mode=0o644)
    if harm == "a bound that is none":
        monkeypatch.setenv("SLIPSTREAM_GATEWAY_CONNECTIONS", "many")
    with pytest.raises(SystemExit) as ended:
        server.main(["--host", "0.0.0.0" if harm == "no token" else "127.0.0.1", "--port", "1"])
    assert "Next: " in str(ended.value.code)


def test_a_running_gateway_takes_up_new_tokens_and_lets_go_of_old_ones(world: World) -> None:
    path = world.home / "gateway-tokens.json"
    before = path.read_text()

    def ask(secret: str) -> int:
        return httpx.get(f"{world.url}/status", headers={"Authorization": f"Bearer {secret}"}).status_code

    def becomes(secret: str, status: int) -> None:
        until = time.monotonic() + 20
        while ask(secret) != status:
            assert time.monotonic() < until
            time.sleep(0.1)

    try:
        write(path, entry("one", "slip_one"), entry("two", "slip_two"))
        becomes("slip_two", 200)
        assert ask("slip_one") == 200, "both are good in the overlap"
        write(path, entry("two", "slip_two"))
        becomes("slip_one", 401)
        assert ask("slip_two") == 200
    finally:
        path.write_text(before)
        becomes(SECRET["read"], 200)


# -- what opens ------------------------------------------------------------------------------------------


def test_rights_and_models_are_both_needed(file: Path) -> None:
    access = Access(file=file, loopback=True)
    for right in ("predict", "push", "feedback", "read"):
        assert verdict(access, SECRET[right], right) == 200
        assert verdict(access, SECRET["admin"], right) == 200
        assert verdict(access, SECRET[right], right, "other") == 403
        assert verdict(access, SECRET[right], right, None) == 200
        for more in set(SECRET) - {right, "admin"}:
            assert verdict(access, SECRET[more], right) == 403
        assert verdict(access, None, right) == 401
    assert verdict(access, "slip_all", "predict", "any_model") == 200
    assert verdict(access, "slip_all", "push") == 403
    assert verdict(access, None, PUBLIC) == 200


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic slip_admin",
        b"slip_admin",
        b"Bearer slip_admi",
        b"Bearer slip_adminx",
        b"Bearer \xff\xfe",
        b"Bearer " + digest(b"slip_admin").encode(),
        b"Bearer " + b"x" * 10_000,
    ],
)
def test_nothing_but_the_token_itself_is_the_token(file: Path, given: bytes) -> None:
    access = Access(file=file, loopback=True)
    with pytest.raises(RequestError) as refused:
        access.check([(b"host", b"localhost"), (b"authorization", given)], "predict", MODEL)
    assert refused.value.status == 401


@pytest.mark.parametrize("given", [b"bearer slip_admin", b"BEARER  slip_admin ", b"Bearer slip_admin"])
def test_the_scheme_may_be_written_as_one_likes(file: Path, given: bytes) -> None:
    Access(file=file, loopback=True).check([(b"authorization", given)], "push", MODEL)


def test_the_password_of_the_connection_still_opens_everything(file: Path) -> None:
    access = Access("the old one", file=file, loopback=False)
    assert all(verdict(access, "the old one", right, "any_model") == 200 for right in RIGHTS)


def test_the_extra_of_the_connection_may_hold_tokens() -> None:
    extra = {"tokens": [entry("web", "slip_web", models=(MODEL,), rights=("predict",))]}
    connection = parse_connection(json.dumps({"conn_type": "http", "extra": extra}))
    access = from_settings("0.0.0.0", Settings(gateway_tokens=""), connection)
    assert [verdict(access, "slip_web", right) for right in ("predict", "push")] == [200, 403]
    with pytest.raises(SpecError, match="extra of slipstream_gateway"):
        from_settings("0.0.0.0", Settings(), parse_connection(json.dumps({"conn_type": "http", "extra": {"tokens": "all"}})))


# -- without tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gateway", ""])
def test_without_tokens_nobody_but_this_machine_is_listened_to(host: str, tmp_path: Path) -> None:
    ended = write(tmp_path / "ended.json", entry("gone", "x", until="2020-01-01T00:00:00Z"))
    for file in (None, tmp_path / "none.json", write(tmp_path / "empty.json"), ended):
        with pytest.raises(SpecError, match="without a token") as refused:
            open_access(host, file=file)
        assert "slipstream token new" in refused.value.hint
    assert open_access(host, file=write(tmp_path / "one.json", entry("one", "x")))


@pytest.mark.parametrize("token", ["", "the connection's"])
def test_what_is_open_asks_for_a_host_of_this_machine(token: str) -> None:
    access = open_access("127.0.0.1", token, hosts=["gateway.example"])
    for host in (*HOSTS, "gateway.example", "gateway.example:443"):
        assert verdict(access, None, "predict", host=host) == 200, host
        assert verdict(access, None, "read", None, host=host) == 200, host
    for host in STRANGERS:
        assert verdict(access, None, "predict", host=host) == 403, host
        assert verdict(access, None, "read", None, host=host) == 403, host
        assert verdict(access, None, PUBLIC, host=host) == 200
    assert verdict(access, None, "push") in (401, 403)


def test_a_name_is_taken_from_the_settings() -> None:
    settings = Settings(
        gateway_url="http://inner.example:8500/", gateway_tokens="", environ={GATEWAY_HOSTS.name: "a.example, b.example"}
    )
    access = from_settings("127.0.0.1", settings, None)
    seen = [verdict(access, None, "predict", host=host) for host in ("inner.example", "a.example", "b.example:1", "c.example")]
    assert seen == [200, 200, 200, 403]


def test_a_good_token_needs_no_host(file: Path) -> None:
    assert verdict(Access("s", loopback=True), "s", "predict", host="evil.example") == 200


# -- the file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o602, 0o777, 0o640])
def test_a_file_that_others_may_read_or_write_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(SpecError, match="open to others") as refused:
        Access(file=file, loopback=True)
    assert f"chmod 600 {file}" in refused.value.hint


def test_another_user_s_file_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    os.chown(file, 54321, -1) if os.getuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 1)
    with pytest.raises(SpecError, match="another user"):
        read_file(file)


GOOD = entry("a", "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        "\ufeff{}",
        json.dumps({"tokens": [{**GOOD, "rights": ["root"]}]}),
        json.dumps({"tokens": [{**GOOD, "rights": []}]}),
        json.dumps({"tokens": [{**GOOD, "models": []}]}),
        json.dumps({"tokens": [{**GOOD, "models": ["../x"]}]}),
        json.dumps({"tokens": [{**GOOD, "models": "*"}]}),
        json.dumps({"tokens": [{**GOOD, "sha256": "x"}]}),
        json.dumps({"tokens": [{**GOOD, "token": "plain"}]}),
        json.dumps({"tokens": [{**GOOD, "until": "2026-01-01T00:00:00"}]}),
        json.dumps({"tokens": [{**GOOD, "until": "never"}]}),
        json.dumps({"tokens": [GOOD, {**GOOD, "sha256": "0" * 64}]}),
        json.dumps({"tokens": [GOOD, {**GOOD, "name": "b"}]}),
        json.dumps({"tokens": [GOOD]})[:-1],
        '{"tokens": [], "tokens2": []}',
    ],
)
def test_a_file_that_is_none_is_refused_by_name_and_changes_nothing(
    file: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(file=file, loopback=True)
    monkeypatch.setattr(access_module, "LOOK_SECONDS", 0.0)
    file.write_text(text)
    with pytest.raises(SpecError, match=str(file)):
        Access(file=file, loopback=True)
    access._refresh()
    assert verdict(access, SECRET["predict"], "predict") == 200
    assert verdict(access, None, "predict") == 401


@pytest.mark.parametrize("harm", ["gone", "open", "a folder"])
def test_a_file_that_goes_bad_leaves_the_tokens_as_they_were(file: Path, harm: str) -> None:
    access = Access(file=file, loopback=True)
    if harm == "open":
        file.write_text(json.dumps({"tokens": [entry("evil", "evil")]}))
        file.chmod(0o666)
    else:
        file.unlink()
    if harm == "a folder":
        file.mkdir()
    access._refresh()
    assert [verdict(access, secret, "predict") for secret in (SECRET["predict"], "evil", None)] == [200, 401, 401]
    if harm == "a folder":
        file.rmdir()
    write(file, entry("new", "new"))
    access._refresh()
    assert [verdict(access, secret, "predict") for secret in (SECRET["predict"], "new")] == [401, 200]


def test_the_first_token_closes_what_was_open_and_the_last_does_not_open_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    access = Access(file=path, loopback=True)
    assert verdict(access, None, "predict") == 200
    write(path, entry("one", "one"))
    access._refresh()
    assert verdict(access, None, "predict") == 401
    path.unlink()
    access._refresh()
    assert verdict(access, None, "predict") == 401


def test_a_token_begins_and_ends_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    at = [start]
    monkeypatch.setattr(access_module, "now", lambda: at[0])
    old = entry("old", "old", until="2026-01-03T00:00:00Z")
    new = entry("new", "new", **{"from": "2026-01-02T00:00:00+00:00"})
    access = Access(file=write(tmp_path / "tokens.json", old, new), loopback=True)
    seen = []
    for days in (0, 1, 1.5, 2, 300):
        at[0] = start + timedelta(days=days)
        access._refresh()
        seen.append([verdict(access, secret, "predict") for secret in ("old", "new")])
    assert seen == [[200, 401], [200, 200], [200, 200], [401, 200], [401, 200]]


def test_the_file_is_looked_at_once_a_second_and_read_when_it_changed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(file=file, loopback=True)
    reads: list[Path] = []
    monkeypatch.setattr(access_module, "read_file", lambda path: reads.append(path) or read_file(path))
    for _ in range(100):
        access.check(headers(SECRET["predict"]), "predict", MODEL)
        access._refresh()
    assert reads == []
