"""A stranger's bytes as bodies, paths and numbers: each is a 4xx with a reason, and the gateway goes on. Over raw sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from include.routing.route import Route
from tests.security.site import Answer, drained, parsed
from tests.support.gateway_world import MODEL, TOKEN, World, body, constant

DIGITS = "9" * 5000
DEEP = {
    "brackets": b"[" * 100_000,
    "braces": b'{"a":' * 50_000,
    "brackets in a field": b'{"entity": ' + b"[" * 100_000,
    "closed brackets": b"[" * 50_000 + b"]" * 50_000,
}
TEXTS = {
    "no UTF-8": b"\xff\xfe\x00\x01",
    "no UTF-8 within": b'{"entity": {"place": "\xc3\x28"}, "features": {}}',
    "half a surrogate": b'{"entity": {"place": "\\ud800"}, "features": {}}',
    "half a surrogate as UTF-8": b'{"entity": {"place": "\xed\xa0\x80"}, "features": {}}',
    "an overlong NUL": b'{"entity": {"place": "\xc0\x80"}, "features": {}}',
    "a mark of byte order": b"\xef\xbb\xbf{}",
    "UTF-16": '{"id": "x"}'.encode("utf-16"),
    "nothing": b"",
    "blank": b"   ",
    "NUL": b"\x00",
    "half": b'{"entity": {"place": "a',
    "two": b"{}{}",
    "a name twice": b'{"id": "a", "id": "b"}',
}
NUMBERS = {
    "an integer of 5,000 digits": f'{{"entity": {{"place": {DIGITS}}}, "features": {{}}}}'.encode(),
    "a negative one": f'{{"entity": {{"place": -{DIGITS}}}, "features": {{}}}}'.encode(),
    "as a feature": json.dumps(body()).replace("1.0", DIGITS).encode(),
    "as an exponent": json.dumps(body()).replace("1.0", f"1e{DIGITS}").encode(),
    "as an unknown field": f'{{"nosuch": {DIGITS}}}'.encode(),
    "as a time": json.dumps({**body(), "event_time": "x"}).replace('"x"', DIGITS).encode(),
    "as the whole": DIGITS.encode(),
}
BODIES = {**DEEP, **TEXTS, **NUMBERS}
ROUTES = {
    "predict": f"/predict/{MODEL}",
    "feedback": f"/feedback/{MODEL}",
    "push": f"/push/{MODEL}/weather",
    "infer": f"/v2/models/{MODEL}/infer",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("input"))
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    world.start().close()
    yield world
    world.stop()
    assert "Traceback" not in world.output()


def ask(world: World, target: str | bytes, data: bytes = b"", *fields: bytes, method: bytes = b"POST") -> Answer:
    raw = target.encode() if isinstance(target, str) else target
    given = [b"Host: localhost", b"Connection: close", b"Authorization: Bearer " + TOKEN.encode(), *fields]
    if method == b"POST":
        given.append(b"Content-Length: %d" % len(data))
    with closing(socket.create_connection(("127.0.0.1", world.port), timeout=20)) as end:
        end.sendall(b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, raw, b"\r\n".join(given), data))
        (answer,) = parsed(drained(end))
    return answer


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_none_is_reported(world: World, name: str, route: str) -> None:
    answer = ask(world, ROUTES[route], BODIES[name])
    assert answer.status == 400, answer.body
    assert json.loads(answer.body)["error"]
    assert len(answer.body) < 2000


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ["brackets", "no UTF-8", "an integer of 5,000 digits"])
def test_and_so_is_one_in_chunks(world: World, name: str, route: str) -> None:
    data = BODIES[name]
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    fields = b"Host: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer %b\r\n\r\n"
    head = b"POST %b HTTP/1.1\r\n" + fields
    with closing(socket.create_connection(("127.0.0.1", world.port), timeout=20)) as end:
        end.sendall(head % (ROUTES[route].encode(), TOKEN.encode()) + chunks)
        assert [answer.status for answer in parsed(drained(end))] == [400]


@pytest.mark.parametrize("version", [DIGITS, "99999999999999999999", "-1", "1.0", "x", "%D9%A1", "1%20", "0x1", "", "1e3"])
@pytest.mark.parametrize("rest", ["", "/ready", "/infer"])
def test_a_version_that_is_none_is_not_found(world: World, version: str, rest: str) -> None:
    method = b"POST" if rest == "/infer" else b"GET"
    assert ask(world, f"/v2/models/{MODEL}/versions/{version}{rest}", b"{}", method=method).status == 404


PATHS = [
    "%00",
    "toy%00",
    "..",
    "%2e%2e",
    "../status",
    "..%2fstatus",
    "%ff",
    "%ED%A0%80",
    "%ED%B0%80",
    "a%0d%0ab",
    "%",
    "%zz",
    "\\..\\x",
]


@pytest.mark.parametrize("name", PATHS)
def test_a_name_that_is_none_is_reported_on_every_route(world: World, name: str) -> None:
    for route in (f"/predict/{name}", f"/feedback/{name}", f"/push/{name}/weather", f"/push/{MODEL}/{name}"):
        assert ask(world, route, b"{}").status in (400, 404)
    for route in (f"/v2/models/{name}", f"/v2/models/{MODEL}/versions/{name}", f"/{name}", f"/status/{name}"):
        assert ask(world, route, method=b"GET").status in (400, 404)


@pytest.mark.parametrize("length", [DIGITS, "-1", "+1", "1.0", "", "99999999999999999999", "\xb2", "0x1", "1,1", "300"])
def test_a_length_of_the_json_part_that_is_none_is_reported(world: World, length: str) -> None:
    answer = ask(world, ROUTES["infer"], b'{"inputs": []}', b"Inference-Header-Content-Length: " + length.encode("latin-1"))
    assert answer.status == 400, answer.body


@pytest.mark.parametrize("size", [int(DIGITS[:4000]), -1, 2**63, 2**64, 1e300, "1", True, None])
def test_a_size_of_binary_data_that_is_none_is_reported(world: World, size: object) -> None:
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    part = json.dumps({"inputs": [tensor]}).encode()
    answer = ask(world, ROUTES["infer"], part + bytes(12), b"Inference-Header-Content-Length: %d" % len(part))
    assert 400 <= answer.status < 500, answer.body


@pytest.mark.parametrize(
    "shape", [[int(DIGITS[:4000]), 3], [2**62, 3], [-1, 3], [2**32, 2**32], [1e300, 3], [0, 3], [1] * 10_000]
)
def test_a_shape_that_is_none_is_reported(world: World, shape: list[float]) -> None:
    tensor = {"name": "features", "shape": shape, "datatype": "FP32", "data": [0.5, 0.5, 0.5]}
    answer = ask(world, ROUTES["infer"], json.dumps({"inputs": [tensor]}).encode())
    assert 400 <= answer.status < 500, answer.body


@pytest.mark.parametrize("accept", [b"gzip;q=" + b"9" * 5000, b"gzip;q=nan", b"gzip;q=inf, *;q=-inf", b";;;,,,", b"\xff" * 100])
def test_what_a_caller_accepts_is_never_an_error(world: World, accept: bytes) -> None:
    assert ask(world, "/openapi.json", b"", b"Accept-Encoding: " + accept, method=b"GET").status == 200


def test_methods_that_are_not_ours_say_which_are(world: World) -> None:
    for method in (b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"FOO", b"GET"):
        answer = ask(world, ROUTES["predict"], method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "post")
    assert ask(world, "/status", b"{}").status == 405


def test_the_gateway_answers_all_the_while(world: World) -> None:
    assert ask(world, ROUTES["predict"], json.dumps(body()).encode()).status == 200
