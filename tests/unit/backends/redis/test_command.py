from __future__ import annotations

from include.backends.redis.command import command


def test_words_are_counted_in_bytes() -> None:
    assert command("GET", "ü") == b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xbc\r\n"
    assert command("SELECT", 3) == b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
    assert command("SET", "k", b"\x00\r\n") == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\x00\r\n\r\n"
