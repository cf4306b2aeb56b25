"""A Redis URL, read once for both ways that we connect: redis-py's own, and the gateway's event loop.

What one of them would not honour is refused by name when the store is opened: else rows go in, and no request finds them.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from redis.connection import SSLConnection, parse_url

from include.core import tls
from include.core.address import shown, without_secrets
from include.core.errors import SpecError

Options = dict[str, Any]
TLS = frozenset({
    "ssl_keyfile", "ssl_certfile", "ssl_password", "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_data", "ssl_ca_path",
    "ssl_check_hostname", "ssl_ciphers",
})  # fmt: skip
AUTHORITIES = frozenset({"ssl_ca_certs", "ssl_ca_data", "ssl_ca_path"})
PLAIN = frozenset({
    "host", "port", "path", "db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout",
    "socket_keepalive", "retry_on_timeout", "health_check_interval", "max_connections",
})  # fmt: skip
WORDS = 300  # characters of a library's message: redis-py quotes the whole command, rows included
_parse: Any = parse_url  # it has no types


def options_of(url: str) -> Options:
    """redis-py's options of a URL. Raises SpecError for one that is none, and for an option that we do not honour."""
    hint = "SLIPSTREAM_ONLINE_URL is such as redis://user:password@host:6379/0, rediss://... with TLS, or unix:///path?db=0."
    try:
        options: Options = _parse(url)
        asked = parse_qs(urlsplit(url).query, keep_blank_values=True)
    except (ValueError, redis.RedisError) as error:
        raise SpecError(f"The address of the online store is no Redis URL: {error}.", seen=shown(url), hint=hint) from error
    known = PLAIN | (TLS if options.get("connection_class") is SSLConnection else frozenset())
    unknown = sorted(set(asked) - known)
    if unknown:
        raise SpecError(
            f"The online store's address has options that we do not honour: {', '.join(unknown)}.",
            seen=shown(url),
            safe="nothing was written.",
            hint=f"leave them out; known are {', '.join(sorted(known))}. {hint}",
        )
    if known >= TLS and not AUTHORITIES & set(options) and (named := tls.bundle()):
        options["ssl_ca_path" if Path(named).is_dir() else "ssl_ca_certs"] = named
    return options


def check(url: str) -> Options:
    """The options, after the certificates that they name were read. Raises SpecError."""
    options = options_of(url)
    try:
        context_of(options)
    except (OSError, ValueError, redis.RedisError) as error:
        asked = parse_qs(urlsplit(url).query)
        named = ", ".join(sorted(TLS & set(asked))) or f"none, and the authorities of {tls.bundle() or 'this system'}"
        raise SpecError(
            f"The online store's TLS options cannot be used ({named}): {without_secrets(str(error), url)}.",
            seen=shown(url),
            safe="nothing was written.",
            hint="name files that this process can read: ssl_ca_certs, ssl_certfile and ssl_keyfile.",
        ) from error
    return options


def context_of(options: Options) -> ssl.SSLContext | None:
    """What redis-py makes of the same options; None without TLS. Raises OSError, ValueError and RedisError."""
    if options.get("connection_class") is not SSLConnection:
        return None
    asked: Any = SSLConnection(**{name: value for name, value in options.items() if name in TLS})
    context = ssl.create_default_context()
    context.check_hostname = asked.check_hostname
    context.verify_mode = asked.cert_reqs
    if asked.certfile or asked.keyfile:
        context.load_cert_chain(asked.certfile, asked.keyfile, asked.certificate_password)
    if asked.ca_certs or asked.ca_path or asked.ca_data:
        context.load_verify_locations(asked.ca_certs, asked.ca_path, asked.ca_data)
    if asked.ssl_ciphers:
        context.set_ciphers(asked.ssl_ciphers)
    return context


def words_of(error: Exception, url: str) -> str:
    """What went wrong, without the command that redis-py quotes with all its rows, and without passwords."""
    return without_secrets(str(error).rpartition("caused error: ")[2], url)[:WORDS] or type(error).__name__
