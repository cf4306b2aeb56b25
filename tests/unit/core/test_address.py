from __future__ import annotations

import pytest

from include.core.address import shown, without_secrets


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("postgresql://me:secret@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgresql://me@db/x?sslmode=require", "postgresql://me@db/x?sslmode=require"),
        ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
        ("redis://h/0?password=secret", "redis://h/0?password=***"),
        ("redis://h/0?db=3&PASSWORD=secret&ssl_keyfile=/k", "redis://h/0?db=3&PASSWORD=***&ssl_keyfile=***"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock?password=***"),
        ("http://ada:se:cr@h/", "http://ada:***@h/"),
        ("sqlite:////tmp/a:b@c.db", "sqlite:////tmp/a:b@c.db"),
        ("/tmp/control.db", "/tmp/control.db"),
    ],
)
def test_an_address_is_shown_without_what_opens_it(url: str, safe: str) -> None:
    assert shown(url) == safe


def test_a_librarys_message_loses_the_passwords_of_its_url() -> None:
    url = "postgresql://me:hunter2@db/x?password=other&sslmode=require"
    assert without_secrets("cannot use 'hunter2' or other with require", url) == "cannot use '***' or *** with require"
