"""The tokens of the connection `slipstream_gateway`, read again and again where a secrets backend has it, and so may rotate it.

What was read is kept by the backend's reader (SLIPSTREAM_SECRETS_SECONDS): a look before its end asks nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from msgspec import structs

from include.core.connection import Connection
from include.core.errors import one_line
from include.core.time import now
from include.serving.http.access import Access, Given
from include.serving.http.tokens import Token
from include.serving.recurring import Recurring

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0


class ConnectionTokens(Recurring):
    """Hands a worker's `access` what the connection gives now, in a thread of its own.

    `overlap`: seconds that a password which was replaced is still good for: its callers may have kept it as long. One that was
    removed ends at once.
    """

    def __init__(self, read: Callable[[], Connection | None], access: Access, overlap: float) -> None:
        self._read, self._access, self._overlap = read, access, timedelta(seconds=overlap)
        self._known: Given | None = None
        self._former: tuple[Token, ...] = ()
        self._failure = ""
        super().__init__("connection-tokens", self.look, LOOK_SECONDS)

    def look(self) -> None:
        """Once. What cannot be read changes nothing, and is logged once."""
        try:
            given = Given.by(self._read())
            if self._known is not None and given.own != self._known.own:
                ends = now() + self._overlap
                self._former = tuple(structs.replace(token, until=ends) for token in self._known.own) if given.own else ()
                log.info("the token of the gateway's connection was %s", "replaced" if given.own else "removed")
            self._known = given
            self._access.renew(Given((*given.own, *self._former), given.listed))
            self._failure = ""
        except Exception as error:  # noqa: BLE001 - whatever a backend does, the tokens stay as they were
            if (reason := one_line(error)) != self._failure:
                log.warning("the tokens of the gateway's connection stay as they were: %s", reason)
            self._failure = reason
