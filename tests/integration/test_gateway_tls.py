"""A gateway with a certificate of its own, which asks its callers for one; and what it notes down of who asked."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.cli.components import components
from include.core.connection import Connection
from include.core.errors import UnreachableError
from include.core.settings import Settings
from include.routing.route import Route
from include.services.server_login import SERVERS, ask
from include.serving.client import GatewayClient, open_client
from tests.support.certificates import Authority, Issued
from tests.support.gateway_world import MODEL, TOKEN, World, body, constant, eventually


class Scene:
    """The world of a gateway, and who signs certificates in it."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.stranger = Authority(folder / "ours"), Authority(folder / "theirs", "stranger")
        self.server, self.caller = self.authority.issue("server"), self.authority.issue("caller")
        environ = {
            "SLIPSTREAM_GATEWAY_TLS_CERT": str(self.server.certificate),
            "SLIPSTREAM_GATEWAY_TLS_KEY": str(self.server.key),
            "SLIPSTREAM_GATEWAY_TLS_CLIENT_CA": str(self.authority.path),
            "SLIPSTREAM_GATEWAY_HEAD_SECONDS": "3",
            "SLIPSTREAM_ACCESS_LOG": str(folder / "access"),
            **self.names(self.caller, self.authority),
        }
        (folder / "home").mkdir()
        self.record, self.world = folder / "access" / "access-0.jsonl", World(folder / "home", environ)

    def names(self, caller: Issued | None, authority: Authority) -> dict[str, str]:
        """The settings of a client."""
        own = {"SLIPSTREAM_CA_BUNDLE": str(authority.path)}
        if caller is not None:
            own |= {"SLIPSTREAM_GATEWAY_CLIENT_CERT": str(caller.certificate), "SLIPSTREAM_GATEWAY_CLIENT_KEY": str(caller.key)}
        return own

    def client(self, caller: Issued | None, authority: Authority) -> GatewayClient:
        return GatewayClient(self.world.url, TOKEN, environ=self.names(caller, authority))

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.world.port), timeout=20)
        context = self.world.trusts
        assert isinstance(context, ssl.SSLContext)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.record.read_text().splitlines()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("tls"))
    scene.world.register(1, constant(0.1))
    scene.world.route(Route(champion=1))
    scene.world.start().close()
    yield scene
    scene.world.stop()


def test_our_clients_reach_it_by_the_settings_and_are_told_what_is_wrong_with_theirs(scene: Scene) -> None:
    settings = Settings.from_env(scene.world.environ)
    assert settings.gateway_url.startswith("https:")
    assert open_client(settings).predict(MODEL, **{name: body()[name] for name in ("entity", "features")})["version"] == 1
    (seen,) = [each for each in components(settings) if each.name == "gateway"]
    assert seen.problem == ""
    for caller, authority, words in (
        (scene.caller, scene.stranger, "SLIPSTREAM_CA_BUNDLE"),
        (None, scene.authority, "SLIPSTREAM_GATEWAY_CLIENT_CERT"),
        (scene.stranger.issue("nobody"), scene.authority, "did not answer"),
    ):
        with pytest.raises(UnreachableError, match=words):
            scene.client(caller, authority).status()
    with pytest.raises(UnreachableError, match="did not answer"):
        GatewayClient(scene.world.url.replace("https", "http"), TOKEN).status()


def test_a_login_is_tried_over_tls(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in scene.names(scene.caller, scene.authority).items():
        monkeypatch.setenv(name, value)
    asked = ask(SERVERS["slipstream_gateway"], scene.world.url, Connection(password=TOKEN))
    assert (asked.accepted, asked.words) == (True, f"The gateway at {scene.world.url} answers, and takes the token.")


def test_an_answer_arrives_whole_where_the_connection_ends_with_it(scene: Scene) -> None:
    text = json.dumps(body()).encode()
    head = (
        f"POST /predict/{MODEL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    )
    bad = b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n" + b"x" * 100_000
    for sent, status in ((head + text, b"HTTP/1.1 200"), (bad, b"HTTP/1.1 400")):
        with scene.connect() as connection:
            connection.sendall(sent)
            got = connection.recv(1 << 16)
            while more := connection.recv(1 << 16):
                got += more
        assert got.startswith(status)
        assert b"connection: close" in got


def test_a_handshake_that_does_not_come_is_not_waited_for(scene: Scene) -> None:
    with socket.create_connection(("127.0.0.1", scene.world.port), timeout=20) as silent:
        assert silent.recv(1) == b""  # within the seconds that a head may take


def test_another_certificate_is_taken_up_without_a_restart(scene: Scene) -> None:
    def subject() -> str:
        with scene.connect() as connection:
            shown = connection.getpeercert()
        assert shown is not None
        return str(dict(each[0] for each in shown["subject"])["commonName"])  # type: ignore[misc,index]

    assert subject() == "server"
    kept = httpx.Client(verify=scene.world.trusts)
    assert kept.get(f"{scene.world.url}/v2/health/live").is_success
    renewed = scene.authority.issue("renewed")
    shutil.copy(renewed.key, scene.server.key)
    shutil.copy(renewed.certificate, scene.server.certificate)
    eventually(lambda: subject() == "renewed")
    assert kept.get(f"{scene.world.url}/v2/health/live").is_success  # a connection that is open goes on
    page = httpx.get(f"{scene.world.url}/metrics", verify=scene.world.trusts, timeout=20).text
    assert "slipstream_certificate_expires_seconds 1" in page
    assert "slipstream_routes_age_seconds " in page


def test_every_request_is_noted_down_with_who_asked_and_nothing_of_what_was_sent(scene: Scene) -> None:
    before = len(scene.lines())
    client, token = httpx.Client(verify=scene.world.trusts), {"Authorization": f"Bearer {TOKEN}"}
    secret = body(place="a-person-s-address")
    client.post(f"{scene.world.url}/predict/{MODEL}", json=secret, headers=token)
    client.post(f"{scene.world.url}/predict/{MODEL}", json=secret)
    client.post(f"{scene.world.url}/predict/{MODEL}", content=b"{", headers=token)
    client.post(
        f"{scene.world.url}/feedback/{MODEL}?secret=a-person-s-address", json={}, headers={"Authorization": "Bearer wrong"}
    )
    client.get(f"{scene.world.url}/status", headers=token)
    client.get(f"{scene.world.url}/nothing/a-person-s-address")
    told = [tuple(line[name] for name in ("who", "right", "model", "route", "status")) for line in scene.lines()[before:]]
    assert told == [
        ("connection", "predict", MODEL, "POST /predict/{model}", 200),
        ("", "predict", MODEL, "POST /predict/{model}", 200),  # open on loopback
        ("connection", "predict", MODEL, "POST /predict/{model}", 400),
        ("", "feedback", MODEL, "POST /feedback/{model}", 401),
        ("connection", "read", "", "GET /status", 200),
        ("", "", "", "", 404),
    ]
    assert "a-person" not in scene.record.read_text()
    assert TOKEN not in scene.record.read_text()
