"""Certificates of private authorities: one setting for every server that we talk to over TLS.

SLIPSTREAM_CA_BUNDLE names a PEM file (or a folder of hashed ones). Without it the names that other tools read count:
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE; without those the system's authorities.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from include.core.environment import (
    CA_BUNDLE,
    CURL_CA_BUNDLE,
    GATEWAY_CLIENT_CERT,
    GATEWAY_CLIENT_KEY,
    REQUESTS_CA_BUNDLE,
    SSL_CERT_FILE,
)
from include.core.errors import SpecError
from include.core.variable import Variable

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


def gateway_context(environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """The same for the gateway, which may ask its callers for a certificate: ours, where one is set. Raises SpecError."""
    made = context(environ)
    if certificate := GATEWAY_CLIENT_CERT.read(environ):
        key, names = GATEWAY_CLIENT_KEY.read(environ), f"{GATEWAY_CLIENT_CERT.name} and {GATEWAY_CLIENT_KEY.name}"
        load_pair(made, Path(certificate), Path(key) if key else None, names, "nothing was sent.")
    return made


def load_pair(made: ssl.SSLContext, certificate: Path, key: Path | None, names: str, safe: str) -> None:
    """A certificate with its key, which is in the same file where none is named. `names`: the settings that name them.

    Raises SpecError for files that cannot be read, a key that is another's, and one that is encrypted.
    """
    try:
        made.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # the errors of TLS are among the first
        raise SpecError(
            f"A certificate and its key cannot be used: {_why(error)}.",
            seen=f"{certificate}, {key}" if key else str(certificate),
            safe=safe,
            hint=f"name PEM files that this process can read, and that belong together, in {names}.",
        ) from error


def untrusted(error: BaseException | str) -> str:
    """What a failed handshake tells a person to do; empty for an error that is none."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        return f"name the authority that signed its certificate in {CA_BUNDLE.name}, and the server by a name that stands in it."
    if "CERTIFICATE_REQUIRED" in text or "certificate required" in text:
        return f"it asks callers for a certificate: name one in {GATEWAY_CLIENT_CERT.name} and {GATEWAY_CLIENT_KEY.name}."
    if "WRONG_VERSION_NUMBER" in text or "wrong version number" in text or "RECORD_LAYER_FAILURE" in text:
        return "it speaks plain text there: begin its address with http://, or give it a certificate."
    return ""


def _no_password() -> str:
    raise ValueError("the key is encrypted, and nobody is there to give its password")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is another certificate's"
        return f"{error.reason or 'no PEM text is in one of them'}".lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)


def unverified() -> ssl.SSLContext:
    """Encrypted, and whoever answers is believed: only where an operator has asked for it."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made
