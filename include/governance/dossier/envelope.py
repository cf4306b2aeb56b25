"""The file of a dossier, as JSON and as a page: what is in it, what is signed, and that nothing else is.

    {"dossier": 1, "body": {...}, "digest": SHA-256 of the body, "page": SHA-256 of the page, "signature": {...} or null}

It is canonical JSON: one text a value. So a byte that is changed anywhere is another value, or another text of the same, and both
are refused. The page embeds exactly that text once, and the digest of all around it is in the file and signed with it: the page
says what the JSON says, and an auditor may read either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from include.core.digest import canonical_json, digest_bytes, digest_json
from include.core.errors import IntegrityError, PermanentError
from include.governance.dossier.keys import SigningKey, fingerprint
from include.governance.dossier.page import END, START, page_around

FORM = 1
ALGORITHM = "Ed25519"
CONTEXT = b"slipstream dossier\x00"  # before what is signed, so that it can be nothing else
FIELDS = {"dossier", "body", "digest", "page", "signature"}
SIGNED = {"algorithm", "key", "value"}


@dataclass(frozen=True)
class Dossier:
    """A dossier as it was read, whole by itself. `signature`: None where it says that it is unsigned."""

    body: Mapping[str, Any]
    digest: str
    page: str
    signature: Mapping[str, str] | None

    @property
    def message(self) -> bytes:
        """What the signature is of."""
        return message_of(self.digest, self.page, self.signature["key"] if self.signature else "")

    @property
    def name(self) -> str:
        return f"{self.body.get('model')} version {self.body.get('version')}"


def message_of(digest: str, page: str, key: str) -> bytes:
    return CONTEXT + canonical_json({"dossier": FORM, "digest": digest, "page": page, "key": key})


def seal(body: Mapping[str, Any], key: SigningKey | None) -> bytes:
    """The file as JSON. Without a key it says in its body, and on its page, that nobody signed it."""
    public = key.public if key else ""
    whole = json.loads(canonical_json({**body, "signed_by": fingerprint(public) if key else ""}))  # as whoever reads it has it
    digest, page = digest_json(whole), digest_bytes("".join(page_around(whole)).encode())
    signature = {"algorithm": ALGORITHM, "key": public, "value": key.sign(message_of(digest, page, public))} if key else None
    return text_of({"dossier": FORM, "body": whole, "digest": digest, "page": page, "signature": signature})


def text_of(envelope: Mapping[str, Any]) -> bytes:
    return canonical_json(envelope) + b"\n"


def as_page(data: bytes) -> bytes:
    """The page of a file: what it says for people, and the file itself within."""
    before, after = page_around(json.loads(data)["body"])
    return f"{before}{escape(data.decode(), quote=False)}{after}".encode()


def read(data: bytes) -> Dossier:
    """The dossier of a file, JSON or page. Raises IntegrityError for one of which anything was changed that it can tell by
    itself; PermanentError for one that a later release made."""
    inner, page = (data, None) if data[:1] == b"{" else _within(data)
    envelope = _object(inner)
    if isinstance(envelope.get("dossier"), int) and envelope["dossier"] > FORM:
        raise PermanentError(
            f"A later release made this dossier, in form {envelope['dossier']}; this one reads form {FORM}.",
            safe="nothing was verified.",
            hint="verify it with that release, or a later one.",
        )
    if set(envelope) != FIELDS or envelope["dossier"] != FORM or not isinstance(envelope["body"], dict):
        raise changed("it has other parts than a dossier", sorted(envelope))
    if text_of(envelope) != inner:
        raise changed("its JSON is not written as a dossier's is")
    if digest_json(envelope["body"]) != envelope["digest"]:
        raise changed("its content is not the one that its digest is of")
    if page is not None and digest_bytes(page) != envelope["page"]:
        raise changed("the page shows something else than what was made of its content")
    return Dossier(envelope["body"], envelope["digest"], envelope["page"], _signature(envelope["signature"]))


def _within(data: bytes) -> tuple[bytes, bytes]:
    """The JSON of a page, and the page without it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise changed("it is no text") from None
    before, start, rest = text.partition(START)
    inner, end, after = rest.partition(END)
    if not start or not end or START in rest or END in after:
        raise changed("it is neither the JSON nor the page of a dossier")
    if escape(plain := unescape(inner), quote=False) != inner:
        raise changed("the JSON within the page is not written as a dossier's is")
    return plain.encode(errors="surrogatepass"), (before + start + end + after).encode()


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
        canonical_json(value)  # half a surrogate, NaN
    except (ValueError, RecursionError):
        raise changed("it is no JSON") from None
    if not isinstance(value, dict):
        raise changed("it is no JSON object")
    return value


def _signature(value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    sound = isinstance(value, dict) and set(value) == SIGNED and all(isinstance(each, str) for each in value.values())
    if not sound or value["algorithm"] != ALGORITHM or not _is_hex(value["key"], 32) or not _is_hex(value["value"], 64):
        raise changed("its signature is not written as one")
    return dict(value)


def _is_hex(text: str, size: int) -> bool:
    try:
        return bytes.fromhex(text).hex() == text and len(text) == 2 * size
    except ValueError:
        return False


def changed(why: str, seen: object = None) -> IntegrityError:
    return IntegrityError(
        f"The dossier was changed after it was made: {why}.",
        seen=seen,
        safe="nothing of it is to be believed.",
        hint="ask whoever made it for another copy, and compare the two.",
    )
