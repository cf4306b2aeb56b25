"""The gateway's own certificate: read at start, and again when its files change, without a restart.

New connections get the newest pair that could be used; connections that are open keep what they began with. What cannot be used
(half a pair, another's key, a certificate that has expired) is refused at start, and changes nothing later: the log says so.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from include.core.environment import GATEWAY_TLS_CERT, GATEWAY_TLS_CLIENT_CA, GATEWAY_TLS_KEY
from include.core.errors import SpecError
from include.core.time import now
from include.core.tls import load_pair

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0  # between two looks at the files
TELL_SECONDS = 24 * 3600.0  # between two warnings about one that ends soon
SOON = timedelta(days=14)
SKEW = timedelta(minutes=5)  # that the clock of who signed it may be ahead of this machine's
NAMES = f"{GATEWAY_TLS_CERT.name} and {GATEWAY_TLS_KEY.name}"


@dataclass(frozen=True)
class Files:
    certificate: Path  # PEM: the gateway's own first, then those between it and the authority
    key: Path | None = None  # None: in the same file
    client_ca: Path | None = None  # where callers have to have a certificate of that authority

    @property
    def marks(self) -> tuple[tuple[int, ...] | None, ...]:
        """Changes with any of the files, also where a link leads to another one."""
        return tuple(map(_mark, (self.certificate, self.key, self.client_ca)))


@dataclass(frozen=True)
class Pair:
    context: ssl.SSLContext
    expires: datetime


class ServerCertificate:
    """`context` is what the server listens with. Each worker has its own; used by its event loop."""

    def __init__(self, files: Files) -> None:
        """Raises SpecError for files that cannot be used."""
        self._files = files
        self._marks = files.marks
        self._newest = _read(files)
        self._look = self._told = monotonic()
        self.context = self._newest.context
        self.context.sni_callback = self._choose
        self._tell()

    @property
    def expires(self) -> datetime:
        return self._newest.expires

    def _choose(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """Called within each handshake, whether the caller names a server or not."""
        del name
        self.refresh()
        if self._newest.context is not context:
            connection.context = self._newest.context

    def refresh(self) -> None:
        """Take up changed files. Never raises: what cannot be used leaves the pair as it is."""
        at = monotonic()
        if at < self._look:
            return
        self._look = at + LOOK_SECONDS
        if at > self._told + TELL_SECONDS:
            self._told = at
            self._tell()
        marks = self._files.marks
        if marks == self._marks:
            return
        self._marks = marks
        try:
            self._newest = _read(self._files)
        except SpecError as error:
            log.error("The gateway's certificate stays as it was: %s", error)
            return
        log.info("The gateway's certificate was read anew; it is good until %s", f"{self.expires:%Y-%m-%d %H:%M} UTC")
        self._tell()

    def _tell(self) -> None:
        if self.expires <= now():
            log.error("The gateway's certificate has expired at %s: callers refuse it.", f"{self.expires:%Y-%m-%d %H:%M} UTC")
        elif self.expires <= now() + SOON:
            log.warning("The gateway's certificate ends soon, at %s.", f"{self.expires:%Y-%m-%d %H:%M} UTC")


def from_environment(environ: Mapping[str, str]) -> ServerCertificate | None:
    """None where the gateway is to speak plain text, behind a proxy or on one machine. Raises SpecError."""
    certificate, key, authority = (
        variable.read(environ) for variable in (GATEWAY_TLS_CERT, GATEWAY_TLS_KEY, GATEWAY_TLS_CLIENT_CA)
    )
    if certificate:
        return ServerCertificate(Files(Path(certificate), _path(key), _path(authority)))
    if key or authority:
        raise SpecError(
            f"{GATEWAY_TLS_KEY.name if key else GATEWAY_TLS_CLIENT_CA.name} is set, and {GATEWAY_TLS_CERT.name} is not.",
            seen=key or authority,
            safe="the gateway did not start: it would have spoken plain text.",
            hint=f"name the certificate's file in {GATEWAY_TLS_CERT.name}, or set none of them.",
        )
    return None


def _read(files: Files) -> Pair:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    expires = _check_times(files.certificate)
    load_pair(context, files.certificate, files.key, NAMES, "the gateway did not take it.")
    if files.client_ca is not None:
        _load_authority(context, files.client_ca)
    holds_key = files.key or files.certificate
    if holds_key.stat().st_mode & 0o007:
        log.warning("Others than its owner may read or write %s, which holds the gateway's key: chmod o= it.", holds_key)
    return Pair(context, expires)


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        raise SpecError(
            f"The authority of callers' certificates cannot be read: {error}.",
            seen=str(path),
            safe="no caller was let in by it.",
            hint=f"name a PEM file that the gateway can read in {GATEWAY_TLS_CLIENT_CA.name}.",
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED


def _check_times(path: Path) -> datetime:
    """When it ends. Raises SpecError for one that has ended or not begun, and for a file that is no certificate."""
    from cryptography import x509  # where a gateway speaks TLS, and nowhere else

    try:
        first = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise SpecError(
            f"The gateway's certificate cannot be read: {error}.",
            seen=str(path),
            safe="the gateway did not take it.",
            hint=f"name a PEM file that the gateway can read in {GATEWAY_TLS_CERT.name}.",
        ) from error
    at = now()
    begins, ends = first.not_valid_before_utc, first.not_valid_after_utc
    if ends <= at or begins > at + SKEW:
        words = f"expired {ends:%Y-%m-%d %H:%M}" if ends <= at else f"is not good before {begins:%Y-%m-%d %H:%M}"
        raise SpecError(
            f"The gateway's certificate {words} UTC.",
            seen=f"{path}; this machine's clock says {at:%Y-%m-%d %H:%M} UTC",
            safe="the gateway did not take it: no caller would.",
            hint="put a new one there; a gateway that runs takes it up by itself. See that the clock is right, too.",
        )
    return ends


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _mark(path: Path | None) -> tuple[int, ...] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino) if found is not None else None
