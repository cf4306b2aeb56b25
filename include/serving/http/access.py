"""Who may do what: each route asks for a right, a token holds rights for models.

Where no token is set up, predictions and readings are open to this machine alone: the gateway then listens on
loopback only, and asks that the Host header names it, since a page of another origin can point a name of its own at
127.0.0.1. Tokens that were given to somebody close those routes too.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from include.core.connection import Connection
from include.core.environment import GATEWAY_HOSTS
from include.core.errors import SpecError
from include.core.settings import Settings
from include.core.time import now
from include.serving.http.asgi import Headers, encode
from include.serving.http.request_error import RequestError
from include.serving.http.routes import PREDICT, PUBLIC, READ
from include.serving.http.tokens import Token, admin, digest, parse, read_file

log = logging.getLogger(__name__)
CONNECTION = "slipstream_gateway"
OPEN = frozenset((PREDICT, READ))  # on loopback, before anybody was given a token
LOOK_SECONDS = 1.0  # between two looks at the file
KNOWN = 1000  # headers that are remembered
_PORT = re.compile(rb":[0-9]*\Z")


class Table:
    """The tokens that are valid now."""

    def __init__(self, tokens: Iterable[Token], open_rights: frozenset[str], at: datetime) -> None:
        self.open = open_rights
        given = tuple(tokens)
        self._by_digest = {token.sha256: token for token in given if token.valid(at)}
        self.any = bool(given)
        self.live = any(token.until is None or token.until > at for token in given)
        bounds = (bound for token in given for bound in (token.start, token.until) if bound is not None and bound > at)
        self.changes: datetime | None = min(bounds, default=None)
        self._known: dict[bytes, Token] = {}

    def changed(self, at: datetime) -> bool:
        """Whether a token has begun or ended since."""
        return self.changes is not None and at >= self.changes

    def find(self, header: bytes) -> Token | None:
        """The token of an Authorization header."""
        try:
            return self._known[header]
        except KeyError:
            pass
        scheme, _, given = header.partition(b" ")
        seen = digest(given.strip())
        token = self._by_digest.get(seen)  # by its digest: how long this takes tells nothing about a token
        if scheme.lower() != b"bearer" or token is None or not hmac.compare_digest(token.sha256, seen):
            return None
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[header] = token
        return token


@dataclass(frozen=True)
class Given:
    """What the connection `slipstream_gateway` gives: its password as a token, and the tokens that its extra lists."""

    own: tuple[Token, ...] = ()
    listed: tuple[Token, ...] = ()

    @classmethod
    def by(cls, connection: Connection | None) -> Given:
        """Raises SpecError for a list that cannot be read."""
        if connection is None:
            return cls()
        listed = connection.extra.get("tokens")
        tokens = parse(encode({"tokens": listed}), f"the extra of {CONNECTION}") if listed is not None else ()
        return cls((admin(connection.password),) if connection.password else (), tokens)


class Access:
    """`token`: the connection's password; `listed`: the tokens of its extra; `file`: of tokens, looked at again and again;
    `shared`: those of all gateways (include/serving/http/shared_tokens.py)."""

    def __init__(
        self, token: str = "", listed: Collection[Token] = (), file: Path | None = None, *, loopback: bool,
        hosts: Collection[str] = (), shared: Collection[Token] = (),
    ) -> None:  # fmt: skip
        """Raises SpecError for a file that cannot be used."""
        self._given, self._file = (
            Given((admin(token),) if token else (), tuple(listed)),
            file,
        )  # what the connection gave; another thread sets it, whole
        self._loopback = loopback
        self._hosts = {name.lower() for name in hosts if name}
        self._host_known: dict[bytes, bool] = {}
        self._shared = tuple(shared)  # of all gateways; another thread sets it, whole
        self._mark = self._look_at_file()
        self._filed = self._read_file() if self._mark else ()
        self._make_table()

    # -- requests ------------------------------------------------------------------------------------

    def check(self, headers: Headers, right: str, model: str | None = None) -> None:
        """Raises RequestError: 401 without a good token, 403 where the token lacks the right, or no token opens the route."""
        if right == PUBLIC:
            return
        table = self.table()
        given = None
        for name, value in headers:
            if name == b"authorization":
                given = value
                break
        if right in table.open and (given is None or not table.any or given[:7].lower() != b"bearer "):
            self._check_host(headers)
            return
        token = table.find(given) if given is not None else None
        if token is None:
            raise self._unknown(table, right, model)
        if not token.may(right, model):
            raise _beyond(token, right, model)

    def name_of(self, headers: Headers) -> str:
        """Of the good token that a request carries; empty where it has none."""
        given = next((value for name, value in headers if name == b"authorization"), None)
        token = self.table().find(given) if given is not None else None
        return token.name if token is not None else ""

    def share(self, tokens: Collection[Token]) -> None:
        """The tokens of all gateways, as they are by now. Called by any thread; requests meet them within a second."""
        self._shared = tuple(tokens)

    def renew(self, given: Given) -> None:
        """What the connection gives by now, likewise."""
        self._given = given

    def table(self) -> Table:
        if monotonic() >= self._look:
            self._refresh()
        return self._table

    def _check_host(self, headers: Headers) -> None:
        host = next((value for name, value in headers if name == b"host"), b"")
        good = self._host_known.get(host)
        if good is None:
            if len(self._host_known) >= KNOWN:
                self._host_known.clear()
            name = _PORT.sub(b"", host).strip(b"[]").decode("latin-1").lower()
            good = self._host_known[host] = is_loopback(name) or name in self._hosts
        if not good:
            what = "Without a token this gateway answers by its own name only."
            allowed = f"a name of this machine's loopback, one in {GATEWAY_HOSTS.name}, or a token"
            raise RequestError(403, what, field="Host", value=host, allowed=allowed)

    @staticmethod
    def _unknown(table: Table, right: str, model: str | None) -> RequestError:
        if not table.any:
            cure = f"set AIRFLOW_CONN_{CONNECTION.upper()} and restart, or run `slipstream token new`."
            return RequestError(403, f"This route is closed: no token is set. Next: {cure}")
        what = "This route needs a token of this gateway."
        refusal = RequestError(401, what, field="Authorization", allowed=f"Bearer <token> with the right {_goes(right, model)}")
        refusal.headers.append((b"www-authenticate", b"Bearer"))
        return refusal

    # -- the tokens ----------------------------------------------------------------------------------

    def _make_table(self) -> None:
        at = now()
        self._look = monotonic() + LOOK_SECONDS
        self._known_shared, self._known_given = self._shared, self._given
        given = (*self._known_given.listed, *self._filed, *self._known_shared)
        open_rights = OPEN if self._loopback and not given else frozenset[str]()
        self._table = Table((*self._known_given.own, *given), open_rights, at)

    def _refresh(self) -> None:
        """Take up a changed file, and tokens that begin or end. What cannot be used changes nothing: it is logged."""
        self._look = monotonic() + LOOK_SECONDS
        mark = self._look_at_file()
        if mark != self._mark:
            self._mark = mark
            try:
                self._filed = self._read_file()
            except SpecError as error:
                log.error("The tokens stay as they were: %s", error)
                return
            log.info("The tokens were read anew: %d in %s", len(self._filed), self._file)
        elif (self._shared, self._given) == (self._known_shared, self._known_given) and not self._table.changed(now()):
            return
        self._make_table()

    def _look_at_file(self) -> tuple[int, ...] | None:
        """Changes with the file. None where there is none."""
        try:
            found = self._file.stat() if self._file is not None else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino) if found is not None else None

    def _read_file(self) -> tuple[Token, ...]:
        assert self._file is not None
        try:
            return read_file(self._file)
        except OSError as error:
            hint = "put it back; a file with no token in it withdraws them all."
            raise SpecError(f"The file of tokens {self._file} cannot be read: {error.strerror}.", hint=hint) from None


def open_access(
    host: str, token: str = "", *, tokens: Collection[Token] = (), file: Path | None = None, hosts: Collection[str] = (),
    shared: Collection[Token] = (),
) -> Access:  # fmt: skip
    """Access for a server on that address. Raises SpecError rather than serve strangers without a token."""
    loopback = is_loopback(host)
    access = Access(token, tokens, file, loopback=loopback, hosts=(*hosts, host), shared=shared)
    if not loopback and not access.table().live:
        raise SpecError(
            f"The gateway may not listen on {host} without a token.",
            safe="it did not start.",
            hint=f"run `slipstream token new --model '*' --right admin`, set AIRFLOW_CONN_{CONNECTION.upper()}="
            "http://:TOKEN@HOST:PORT, or listen on 127.0.0.1.",
        )
    return access


def from_settings(host: str, settings: Settings, connection: Connection | None, shared: Collection[Token] = ()) -> Access:
    """With the connection's password, the tokens in its extra, those of the file, and those that all gateways have in common.

    Raises SpecError.
    """
    token = connection.password if connection else ""
    file = Path(settings.gateway_tokens) if settings.gateway_tokens else None
    named = [_name(settings.gateway_url), *(each.strip() for each in GATEWAY_HOSTS.read(settings.environ).split(","))]
    return open_access(host, token, tokens=Given.by(connection).listed, file=file, hosts=named, shared=shared)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(url: str) -> str:
    return re.sub(r"\A\w+://|:\d+/?\Z|/\Z", "", url)


def _goes(right: str, model: str | None) -> str:
    return f"{right} for {model}" if model is not None else right


def _beyond(token: Token, right: str, model: str | None) -> RequestError:
    what = f"The token {token.name!r} does not go that far."
    has = f"it has {', '.join(token.rights)} for {', '.join(token.models)}"
    return RequestError(403, what, field="Authorization", value=_goes(right, model), allowed=has)
