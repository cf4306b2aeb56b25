"""Tokens that all gateways have in common: their digests are rows of the control store, beside what a gateway's own file holds.

Each worker looks once a second. While the store is away the tokens that were read last stand, with their ends.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from include.core.control import TOKEN, ControlStore, tokens
from include.core.errors import DataError, SpecError, one_line
from include.core.kept_rows import KeptRows
from include.core.time import timestamp
from include.serving.http.access import Access
from include.serving.http.tokens import Token
from include.serving.recurring import Recurring

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
QUERY = "SELECT name, token FROM slipstream_tokens"
WHERE = "the control store"


def read_shared(control: ControlStore) -> tuple[Token, ...]:
    """All of them. Raises SpecError for one that this release cannot read."""
    with control.transaction() as connection:
        rows = connection.execute(sa.select(tokens.c.name, tokens.c.token).order_by(tokens.c.at, tokens.c.name)).all()
    return tuple(_token(row.name, row.token) for row in rows)


def add_shared(control: ControlStore, token: Token, actor: str) -> None:
    """Raises DataError where there is one of that name."""
    with control.transaction() as connection:
        if connection.execute(sa.select(tokens.c.name).where(tokens.c.name == token.name)).first() is not None:
            raise DataError(
                "There is a token of this name.", seen=token.name, hint="name another one, or rotate or revoke that one."
            )
        _write(connection, token)
        control.append_audit(connection, actor, "token.new", token.name, _told(token))


def rotate_shared(control: ControlStore, ended: Token, made: Token, actor: str) -> None:
    """The new token, and the old one with its end, at one moment."""
    with control.transaction() as connection:
        connection.execute(tokens.delete().where(tokens.c.name == ended.name))
        for token in (ended, made):
            _write(connection, token)
        control.append_audit(connection, actor, "token.rotate", ended.name, {**_told(made), "by": made.name})


def remove_shared(control: ControlStore, name: str, actor: str) -> bool:
    """Whether there was one."""
    with control.transaction() as connection:
        gone = bool(connection.execute(tokens.delete().where(tokens.c.name == name)).rowcount)
        if gone:
            control.append_audit(connection, actor, "token.revoke", name, {})
    return gone


class SharedTokens(Recurring):
    """Hands a worker's `access` the tokens as they are now, in a thread of its own."""

    def __init__(self, control: Callable[[], ControlStore], access: Access) -> None:
        self._control, self._access = control, access
        self._rows: KeptRows | None = None
        self._failure = ""
        super().__init__("shared-tokens", self.look, LOOK_SECONDS)

    def look(self) -> None:
        """Once. What cannot be read changes nothing, and is logged once."""
        try:
            if self._rows is None:
                self._rows = KeptRows(self._control(), QUERY)
            rows = self._rows.read()
            if rows is not None:
                self._access.share(tuple(_token(name, _decoded(value)) for name, value in rows))
            self._failure = ""
        except Exception as error:  # noqa: BLE001 - whatever a database does, the tokens stay as they were
            if (reason := one_line(error)) != self._failure:
                log.warning("the gateways' common tokens stay as they were: %s", reason)
            self._failure = reason


def _write(connection: sa.Connection, token: Token) -> None:
    body = msgspec.to_builtins(token)
    connection.execute(tokens.insert().values(name=token.name, sha256=token.sha256, token=body, at=timestamp()))


def _token(name: str, body: Mapping[str, Any]) -> Token:
    try:
        return msgspec.convert(body, Token)
    except msgspec.ValidationError as error:
        raise SpecError(f"A token in {WHERE} cannot be read: {error}.", seen=name, hint="slipstream token revoke NAME") from None


def _decoded(value: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """A JSON column as its driver gives it: SQLite as text."""
    return TOKEN.read(json.loads(value) if isinstance(value, str) else value)


def _told(token: Token) -> dict[str, Any]:
    """For the audit: whose it is and how far it goes, without its digest."""
    until = token.until.isoformat() if token.until is not None else None
    return {"models": list(token.models), "rights": list(token.rights), "until": until}
