"""Where a request ends: what could be read in two ways is refused, by every way a prediction can go, and alike."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from include.serving.http.bounds import MAX_BODY, MAX_HEADERS
from include.serving.http.request_head import unfinished
from tests.security.site import WAYS, Site, drained, parsed

BODY = b'{"a":1}'
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
INNER = b"POST /predict/inner HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        yield {way: stack.enter_context(Site(way).running()) for way in WAYS}


def request(
    *fields: bytes, body: bytes = BODY, line: bytes = b"POST /predict/toy HTTP/1.1", length: bool = True, host: bool = True
) -> bytes:
    lines = [line, *([b"Host: x"] if host else []), *([b"Content-Length: %d" % len(body)] if length else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(body: bytes, *fields: bytes) -> bytes:
    return request(b"Transfer-Encoding: chunked", *fields, body=body, length=False)


WHOLE = b"7\r\n%b\r\n0\r\n\r\n" % BODY
BAD = {
    "both lengths, chunked body": (request(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + INNER), 400),
    "both lengths, the other order": (
        b"POST /predict/toy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    "keep-alive as a transfer encoding": (request(b"Transfer-Encoding: keep-alive"), 400),
    "transfer encoding x": (request(b"Transfer-Encoding: xchunked", body=WHOLE, length=False), 400),
    "transfer encoding chunked, identity": (request(b"Transfer-Encoding: chunked, identity", body=WHOLE, length=False), 400),
    "transfer encoding identity, chunked": (request(b"Transfer-Encoding: identity, chunked", body=WHOLE, length=False), 400),
    "transfer encoding gzip, chunked": (request(b"Transfer-Encoding: gzip, chunked", body=WHOLE, length=False), 400),
    "transfer encoding identity": (request(b"Transfer-Encoding: identity"), 400),
    "transfer encoding twice": (chunked(WHOLE, b"Transfer-Encoding: chunked"), 400),
    "transfer encoding twice, one unknown": (chunked(WHOLE, b"Transfer-Encoding: x"), 400),
    "transfer encoding empty": (request(b"Transfer-Encoding:"), 400),
    "transfer encoding quoted": (request(b'Transfer-Encoding: "chunked"', body=WHOLE, length=False), 400),
    "transfer encoding with a control": (request(b"Transfer-Encoding: \x0bchunked", body=WHOLE, length=False), 400),
    "space before the colon": (request(b"Transfer-Encoding : chunked"), 400),
    "tab before the colon": (request(b"Content-Length\t: 7", length=False), 400),
    "chunked in HTTP/1.0": (
        request(b"Transfer-Encoding: chunked", body=WHOLE, line=b"POST /predict/toy HTTP/1.0", length=False),
        400,
    ),
    "length twice": (request(b"Content-Length: 7"), 400),
    "lengths that differ": (request(b"Content-Length: 9"), 400),
    "lengths in a list": (request(b"Content-Length: 7, 7", length=False), 400),
    "length with a plus": (request(b"Content-Length: +7", length=False), 400),
    "length with a minus": (request(b"Content-Length: -7", length=False), 400),
    "length with a space within": (request(b"Content-Length: 1 7", length=False), 400),
    "length in hex": (request(b"Content-Length: 0x7", length=False), 400),
    "length with an underscore": (request(b"Content-Length: 1_0", length=False), 400),
    "length with other digits": (request("Content-Length: ٧".encode(), length=False), 400),
    "length empty": (request(b"Content-Length:", length=False), 400),
    "length of 5,000 digits": (request(b"Content-Length: " + b"7" * 5000, length=False), 413),
    "length of 5,000 digits, nearly all naught": (request(b"Content-Length: " + b"0" * 5000 + b"7", length=False), 413),
    "length beyond 64 bits": (request(b"Content-Length: 18446744073709551623", length=False), 413),
    "length beyond the bound": (request(b"Content-Length: %d" % (MAX_BODY + 1), length=False), 413),
    "folded header": (request(b"X-One: a\r\n b"), 400),
    "folded header with a tab": (request(b"Transfer-Encoding:\r\n\tchunked", length=False), 400),
    "folded first header": (b"POST /predict/toy HTTP/1.1\r\n Host: x\r\nContent-Length: 7\r\n\r\n" + BODY, 400),
    "bare LF after a header": (request().replace(b"Host: x\r\n", b"Host: x\n"), 400),
    "bare LF at every end": (request().replace(b"\r\n", b"\n"), 400),
    "bare CR in a value": (request(b"X-One: a\rTransfer-Encoding: chunked"), 400),
    "NUL in a value": (request(b"X-One: a\x00b"), 400),
    "NUL in a name": (request(b"X-\x00One: a"), 400),
    "DEL in a value": (request(b"X-One: a\x7f"), 400),
    "no colon": (request(b"X-One"), 400),
    "no name": (request(b": x"), 400),
    "a name with a byte above 127": (request(b"X-\xc3\xa9: a"), 400),
    "no host": (request(host=False), 400),
    "host twice": (request(b"Host: y"), 400),
    "host with a path": (request(b"Host: x/y", host=False), 400),
    "host with a user": (request(b"Host: a@x", host=False), 400),
    "authorization twice": (request(b"Authorization: Bearer a", b"Authorization: Bearer b"), 400),
    "two spaces": (request(line=b"POST  /predict/toy HTTP/1.1"), 400),
    "a tab for a space": (request(line=b"POST\t/predict/toy HTTP/1.1"), 400),
    "no version": (request(line=b"POST /predict/toy"), 400),
    "HTTP/0.9": (request(line=b"POST /predict/toy HTTP/0.9"), 400),
    "HTTP/1.2": (request(line=b"POST /predict/toy HTTP/1.2"), 400),
    "HTTP/2.0": (request(line=b"POST /predict/toy HTTP/2.0"), 400),
    "a version of 5,000 digits": (request(line=b"POST /predict/toy HTTP/1." + b"1" * 5000), 400),
    "small letters": (request(line=b"post /predict/toy HTTP/1.1"), 400),
    "another host in the target": (request(line=b"POST http://other/predict/toy HTTP/1.1"), 400),
    "a user in the target": (request(line=b"POST http://x@x/predict/toy HTTP/1.1"), 400),
    "another scheme in the target": (request(line=b"POST file://x/predict/toy HTTP/1.1"), 400),
    "a name and a port for a target": (request(line=b"POST x:80 HTTP/1.1"), 400),
    "CONNECT": (request(line=b"CONNECT x:80 HTTP/1.1"), 405),
    "a star for a target": (request(line=b"OPTIONS * HTTP/1.1"), 400),
    "a fragment": (request(line=b"POST /predict/toy#x HTTP/1.1"), 400),
    "path with NUL": (request(line=b"POST /predict/toy%00 HTTP/1.1"), 400),
    "path with a raw NUL": (request(line=b"POST /predict/toy\x00 HTTP/1.1"), 400),
    "path with a line end": (request(line=b"POST /predict/toy%0d%0aX:1 HTTP/1.1"), 400),
    "path with ..": (request(line=b"POST /status/../predict/toy HTTP/1.1"), 400),
    "path with .. in escapes": (request(line=b"POST /status/%2e%2E/predict/toy HTTP/1.1"), 400),
    "path with a dot": (request(line=b"POST /./predict/toy HTTP/1.1"), 400),
    "path with an escaped slash": (request(line=b"POST /predict%2Ftoy HTTP/1.1"), 400),
    "path with a backslash": (request(line=b"POST /predict\\toy HTTP/1.1"), 400),
    "path that is no UTF-8": (request(line=b"POST /predict/%ff%fe HTTP/1.1"), 400),
    "path with half a surrogate": (request(line=b"POST /predict/%ED%A0%80 HTTP/1.1"), 400),
    "path with raw bytes": (request(line=b"POST /predict/\xff HTTP/1.1"), 400),
    "path with half an escape": (request(line=b"POST /predict/%4 HTTP/1.1"), 400),
    "a path too long": (request(line=b"POST /predict/" + b"x" * 9000 + b" HTTP/1.1"), 414),
    "a path without end": (b"POST /predict/" + b"x" * 50_000, 414),
    "headers without end": (b"POST /predict/toy HTTP/1.1\r\n" + b"X-One: a\r\n" * 5000, 431),
    "one header without end": (b"POST /predict/toy HTTP/1.1\r\nX-One: " + b"a" * 50_000, 431),
    "too many headers": (request(*[b"X: a"] * MAX_HEADERS), 431),
    "an unknown coding": (request(b"Content-Encoding: br"), 415),
    "zstd": (request(b"Content-Encoding: zstd"), 415),
    "keep-alive as a coding": (request(b"Content-Encoding: keep-alive"), 415),
    "two codings": (request(b"Content-Encoding: gzip, gzip"), 415),
    "two headers of codings": (request(b"Content-Encoding: identity", b"Content-Encoding: gzip"), 415),
    "an expectation": (request(b"Expect: 200-ok"), 417),
    "keep-alive as an expectation": (request(b"Expect: keep-alive"), 417),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100, 400),
    "chunk size with a plus": (chunked(b"+7\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size with 0x": (chunked(b"0x7\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size negative": (chunked(b"-7\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size with an underscore": (chunked(b"0_7\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size empty": (chunked(b"\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size with a space before": (chunked(b" 7\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size of 5,000 digits": (chunked(b"0" * 5000 + b"7\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size beyond 64 bits": (chunked(b"10000000000000007\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk size beyond the bound": (chunked(b"ffffffff\r\n%b" % BODY), 413),
    "chunk longer than it says": (chunked(b"6\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk shorter than it says": (chunked(b"8\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk with bare LF": (chunked(b"7\n%b\n0\n\n" % BODY), 400),
    "chunk data with bare LF": (chunked(b"7\r\n%b\n0\r\n\r\n" % BODY), 400),
    "chunk extension without end": (chunked(b"7;" + b"a" * 5000), 400),
    "chunk extension with bare CR": (chunked(b"7;a\rb\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunk extension with NUL": (chunked(b"7;a\x00\r\n%b\r\n0\r\n\r\n" % BODY), 400),
    "chunks of a byte without end": (chunked(b"1;%b\r\na\r\n" % (b"x" * 200) * 500), 400),
    "trailers without end": (chunked(b"0\r\n" + b"X: a\r\n" * 5000), 431),
    "trailer without a colon": (chunked(b"0\r\nX\r\n\r\n"), 400),
    "trailer folded": (chunked(b"0\r\nX: a\r\n b\r\n\r\n"), 400),
}
GOOD = {
    "plain": request(),
    "keep-alive": request(b"Connection: keep-alive"),
    "a header with bytes above 127": request("X-One: é".encode()),
    "tabs and spaces around a value": b"POST /predict/toy HTTP/1.1\r\nHost:\t x \r\nContent-Length:  7 \t\r\n\r\n" + BODY,
    "lines before it": b"\r\n\r\n" + request(),
    "the whole address": request(line=b"POST http://x/predict/toy HTTP/1.1"),
    "an escaped letter": request(line=b"POST /predict/t%6Fy HTTP/1.1"),
    "a query": request(line=b"POST /predict/toy?a=%00 HTTP/1.1"),
    "an upgrade that is not taken up": request(b"Connection: upgrade", b"Upgrade: websocket"),
    "an upgrade to HTTP/2 that is not taken up": request(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
    "identity": request(b"Content-Encoding: identity"),
    "chunks": chunked(WHOLE),
    "chunks, capital": request(b"Transfer-Encoding: Chunked", body=WHOLE, length=False),
    "chunks in pieces": chunked(b"3\r\n%b\r\n4\r\n%b\r\n000\r\n\r\n" % (BODY[:3], BODY[3:])),
    "chunks with extensions and trailers": chunked(
        b'7 ;a=b;c="d"\r\n%b\r\n0;z\r\nX-Sum: 1\r\nContent-Length: 900\r\n\r\n' % BODY
    ),
    "an expectation that is met": request(b"Expect: 100-continue"),
}
CLOSING = {
    "Connection: close": request(b"Connection: close"),
    "Connection: Close": request(b"Connection: Close"),
    "close in a list": request(b"Connection: keep-alive, close"),
    "close in a second header": request(b"Connection: keep-alive", b"Connection: close"),
    "HTTP/1.0": request(line=b"POST /predict/toy HTTP/1.0"),
    "HTTP/1.0 without a host": request(line=b"POST /predict/toy HTTP/1.0", host=False),
    "HTTP/1.0 keep-alive": request(b"Connection: keep-alive", line=b"POST /predict/toy HTTP/1.0"),
    "chunks and close": chunked(WHOLE, b"Connection: close"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BAD)
def test_what_has_no_certain_end_is_refused_and_nothing_behind_it_is_read(sites: dict[str, Site], name: str, way: str) -> None:
    data, status = BAD[name]
    site = sites[way]
    site.asked.clear()
    answers = site.exchange(data + SECOND)
    assert [answer.status for answer in answers] == [status]
    assert answers[0].headers["connection"] == "close"
    assert site.asked == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", GOOD)
def test_what_is_well_said_is_answered_and_so_is_what_follows(sites: dict[str, Site], name: str, way: str) -> None:
    site = sites[way]
    site.asked.clear()
    answers = site.exchange(GOOD[name] + SECOND)
    assert [answer.status for answer in answers] == [429 if way == "full" else 200, 200]
    read = [] if way == "full" else [("POST", "/predict/toy", BODY)]
    assert site.asked == [*read, ("GET", "/smuggled", b"")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CLOSING)
def test_who_wants_the_connection_closed_gets_one_answer_and_the_end(sites: dict[str, Site], name: str, way: str) -> None:
    site = sites[way]
    site.asked.clear()
    answers = site.exchange(CLOSING[name] + SECOND)
    assert [answer.status for answer in answers] == [429 if way == "full" else 200]
    assert answers[0].headers["connection"] == "close"
    assert "/smuggled" not in [path for _, path, _ in site.asked]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*(name for name in BAD if len(BAD[name][0]) < 3000), *GOOD])  # the network cuts the long ones
def test_the_verdict_is_the_same_however_the_bytes_are_cut(sites: dict[str, Site], name: str, way: str) -> None:
    data, status = BAD.get(name) or (GOOD[name], 429 if way == "full" else 200)
    with sites[way].connect() as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # it was refused already
            for place in range(0, len(data), 7):
                end.sendall(data[place : place + 7])
            end.sendall(SECOND)
        answers = [answer for answer in parsed(drained(end)) if answer.status != 100]
    assert answers[0].status == status
    assert len(answers) == (1 if name in BAD else 2)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["Connection: close", "HTTP/1.0", "length twice"])
def test_the_last_answer_arrives_whole_though_the_caller_goes_on_sending(sites: dict[str, Site], name: str, way: str) -> None:
    data = CLOSING[name] if name in CLOSING else BAD[name][0]
    (answer,) = sites[way].exchange(data, bytes(6 << 20))
    otherwise = 429 if way == "full" else 200
    assert answer.status == (400 if name in BAD else otherwise)
    assert answer.body


@pytest.mark.parametrize("bare", [b"\n", b"\r"])
def test_a_bare_line_end_is_seen_wherever_the_bytes_are_cut(bare: bytes) -> None:
    data = b"POST /predict/toy HTTP/1.1\r\nHost: x" + bare + b"X-One: a"
    for known in range(len(data)):
        place = len(data) - len(b"X-One: a") - 1
        seen = unfinished(data, known) is not None or (known > place + 1 and unfinished(data[:known]) is not None)
        assert seen


def test_a_caller_that_expects_is_asked_to_go_on_before_it_sends(sites: dict[str, Site]) -> None:
    for way in WAYS:
        with sites[way].connect() as end:
            data = request(b"Expect: 100-continue", b"Connection: close")
            end.sendall(data[: -len(BODY)])
            assert end.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            end.sendall(BODY)
            assert b" 429 " in end.recv(1000) if way == "full" else b" 200 " in end.recv(1000)


def test_a_caller_that_expects_too_much_is_refused_before_it_sends(sites: dict[str, Site]) -> None:
    answers = sites["direct"].exchange(request(b"Expect: 100-continue", b"Content-Length: 99999999", body=b"", length=False))
    assert [answer.status for answer in answers] == [413]


@pytest.mark.parametrize("way", WAYS)
def test_a_head_is_answered_without_a_body(sites: dict[str, Site], way: str) -> None:
    with sites[way].connect() as end:
        end.sendall(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /%00 HTTP/1.1\r\nHost: x\r\n\r\n")
        data = drained(end)
    first, second, rest = data.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 400 ")
    assert rest == b""


@pytest.mark.parametrize("way", WAYS)
def test_answers_come_one_for_one_and_in_order(sites: dict[str, Site], way: str) -> None:
    """A thousand requests in one piece, each refused at once: no recursion, and nobody is left out."""
    site = sites[way]
    data = request(line=b"POST /predict/refused HTTP/1.1") * 1000 + b"nonsense\r\n\r\n"
    statuses = [answer.status for answer in site.exchange(data)]
    assert statuses == [{"direct": 404, "app": 200, "full": 429}[way]] * 1000 + [400]


PIECES = [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"0", b"9", b",", b"\xff", b"%00", b"Transfer-Encoding: chunked\r\n",
          b"Content-Length: 3\r\n", b"Connection: close\r\n"]  # fmt: skip


def mutated(draw: random.Random) -> bytes:
    bad = [data for data, _ in BAD.values() if len(data) < 2000 and b"gzip" not in data]  # a full worker unpacks nothing
    data = bytearray(draw.choice([*GOOD.values(), *CLOSING.values(), *bad]))
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(data))
        match draw.randrange(3):
            case 0:
                data[place] = draw.randrange(256)
            case 1:
                data[place:place] = draw.choice(PIECES)
            case _:
                del data[place : place + draw.randint(1, 4)]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_what_nobody_thought_of_has_one_verdict_on_every_way(sites: dict[str, Site], seed: int) -> None:
    draw = random.Random(seed)
    for data in (mutated(draw) for _ in range(100)):
        verdicts = {}
        for way, site in sites.items():
            with site.connect() as end, suppress(OSError):
                place = draw.randint(1, len(data))
                end.sendall(data[:place])
                end.sendall(data[place:] + SECOND)
                end.shutdown(socket.SHUT_WR)
                statuses = [answer.status for answer in parsed(drained(end)) if answer.status != 100]
                verdicts[way] = [200 if status == 429 else status for status in statuses]
        assert verdicts["direct"] == verdicts["app"] == verdicts["full"] != [], data
        assert max(verdicts["direct"]) < 500, data
