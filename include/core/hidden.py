"""The secrets that a process knows, and a text without them: for logs and reports, which others read.

A secret is told by the name of its variable, or stands in an address or a connection as its login. Where a library's message
quotes one, it is found by its value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from include.core import secret_store
from include.core.address import shown
from include.core.connection import parse
from include.core.environment import SENTRY_DSN
from include.core.errors import SpecError

MASK = "***"
SHORTEST = 5  # characters: a shorter one stands in too many words by chance
_NAMED = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|PRIVATE|(^|_)API_?KEYS?($|_)|_KEYS?$|HEADERS$")
_PLACE = re.compile(r"_(FILE|PATH|MODE|URL|DIR|TYPE|TTL|SECONDS)$|^AIRFLOW_(CONN|VAR)_")  # no secret, or one that is read apart
_WORDS = ("false", "token")  # what a switch or the name of a kind says
_LOGIN = re.compile(r"(?<=://)[^/\s:@'\"]*:[^/\s@'\"]+(?=@)")
_BEARER = re.compile(r"(?i)\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{5,}")


class Hidden:
    """Replaces what must not be shown."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._given = set(_secrets(os.environ if environ is None else environ))
        self._read: tuple[str, ...] = ()  # from a secrets backend
        self._learn()

    def __call__(self, text: str) -> str:
        """The text without the secrets of this process, and without any login of an address or a header."""
        if self._read is not secret_store.texts():
            self._learn()
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, MASK)
        text = _LOGIN.sub(MASK, text)
        return _BEARER.sub(lambda found: f"{found[1]} {MASK}", text)

    def _learn(self) -> None:
        self._read = secret_store.texts()
        found = self._given.union(*map(_of_connection, self._read))
        self._known = sorted(filter(_is_worth_hiding, found), key=len, reverse=True)  # one may be the beginning of another


def _is_worth_hiding(value: str) -> bool:
    return len(value) >= SHORTEST and value.lower() not in _WORDS


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        if name.startswith("AIRFLOW_CONN_"):
            yield from _of_connection(value)
        elif name == SENTRY_DSN.name or (_NAMED.search(name.upper()) and not _PLACE.search(name.upper())):
            yield value
            yield from _of_address(value)
            yield from re.split(r"[,=] *", value) if name.endswith("HEADERS") else ()
        elif "://" in value and shown(value) != value:
            yield from _of_address(value)


def _of_connection(text: str) -> Iterator[str]:
    """A password, and the words of the extra: tokens by model and right stand there."""
    try:
        connection = parse(text)
    except SpecError:
        yield text
        return
    yield connection.password
    yield from _of_extra(connection.extra)
    yield from _of_address(text)


def _of_extra(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _of_extra(each, str(key))
    elif isinstance(value, list):
        for each in value:
            yield from _of_extra(each, name)
    elif isinstance(value, str) and _NAMED.search(name.upper()):
        yield value


def _of_address(text: str) -> Iterator[str]:
    """The password as it is written there; the user where that is all there is, as in the address of a service's project."""
    found = re.search(r"://([^/?#@:]*)(?::([^/?#]*))?@", text)
    if found:
        yield found[2] or found[1]
