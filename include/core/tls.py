"""Certificates of private authorities: one setting for every server that we talk to over TLS.

SLIPSTREAM_CA_BUNDLE names a PEM file (or a folder of hashed ones). Without it the names that other tools read count:
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE; without those the system's authorities.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from include.core.environment import CA_BUNDLE, CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, SSL_CERT_FILE, Variable
from include.core.errors import SpecError

OTHERS = (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE)


def bundle(environ: Mapping[str, str] | None = None, *own: Variable) -> str:
    """The path of the authorities' certificates, or empty. `own`: names that a server's own client reads come first."""
    found = (variable.read(environ) for variable in (*own, CA_BUNDLE, *OTHERS))
    return next(filter(None, found), "")


def context(environ: Mapping[str, str] | None = None, *own: Variable) -> ssl.SSLContext:
    """What a client checks a server's certificate by. Raises SpecError if the file cannot be read as certificates."""
    path = bundle(environ, *own)
    try:
        folder = bool(path) and Path(path).is_dir()
        return ssl.create_default_context(cafile=None if folder else path or None, capath=path if folder else None)
    except (OSError, ValueError) as error:
        others = ", ".join(each.name for each in (*own, *OTHERS))
        raise SpecError(
            f"The authorities' certificates cannot be read: {error}.",
            seen=path,
            safe="nothing was sent.",
            hint=f"name a PEM file that this process can read in {CA_BUNDLE.name} (or {others}).",
        ) from error


def unverified() -> ssl.SSLContext:
    """Encrypted, and whoever answers is believed: only where an operator has asked for it."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made
