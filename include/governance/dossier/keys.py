"""The key that signs dossiers: Ed25519, its seed the password of the connection `slipstream_dossier`, else a file of the home.

`make up` makes the file once, as it makes every other secret (`<home>/secrets/dossier_key`, its owner's alone). Nothing makes
one by itself where a dossier is asked for: each pod would sign with another key. Public keys are no secret: each that ever signed
here is a row of the audit chain, so that what a former key signed can still be checked.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.core.connection import from_env
from include.core.control import ControlStore
from include.core.digest import digest_bytes
from include.core.documents import DocumentKind
from include.core.errors import InputError, SpecError
from include.core.private_files import write_private
from include.core.versioned import Format

if TYPE_CHECKING:
    import sqlalchemy as sa

CONNECTION = "slipstream_dossier"
FILE = "dossier_key"
SEED = 32  # bytes
KEYS = DocumentKind("dossier_key", Format("a public key that signs dossiers"))
SUBJECT = "dossier"


@dataclass(frozen=True)
class SigningKey:
    """Whoever holds it signs as this installation."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> str:
        """64 hexadecimal digits."""
        return str(self._private().public_key().public_bytes_raw().hex())

    def sign(self, message: bytes) -> str:
        """128 hexadecimal digits."""
        return str(self._private().sign(message).hex())

    def _private(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed)


def signing_key(home: Path, environ: Mapping[str, str] | None = None) -> SigningKey | None:
    """The key of this installation; None where there is none. Raises SpecError for one that is none."""
    connection = from_env(CONNECTION, environ)
    if connection is not None and connection.password:
        return SigningKey(_seed(connection.password, f"the connection {CONNECTION}"))
    try:
        return SigningKey(_seed((home / "secrets" / FILE).read_text().strip(), str(home / "secrets" / FILE)))
    except FileNotFoundError:
        return None


def new_seed() -> str:
    """The text of a new key, as a connection's password and the file hold it."""
    return secrets.token_urlsafe(SEED)


def rotate(home: Path, environ: Mapping[str, str] | None = None) -> SigningKey:
    """Another key in the file from now on. Raises InputError where the connection has it: there it is changed by hand."""
    connection = from_env(CONNECTION, environ)
    if connection is not None and connection.password:
        raise InputError(
            f"The key that signs dossiers is the password of the connection {CONNECTION}.",
            safe="nothing was changed.",
            hint="change it there: 32 random bytes in base64 (python -c 'import secrets; print(secrets.token_urlsafe(32))').",
        )
    path = home / "secrets" / FILE
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = new_seed()
    write_private(path, text)
    return SigningKey(_seed(text, str(path)))


def note_key(control: ControlStore, public: str, actor: str) -> bool:
    """Write down, once ever, that dossiers are signed by a key. Whether that is new."""
    with control.transaction() as connection:
        return note_key_in(control, connection, public, actor)


def note_key_in(control: ControlStore, connection: sa.Connection, public: str, actor: str) -> bool:
    """The same in the caller's transaction."""
    new = KEYS.save_in(connection, f"{SUBJECT}/{public}", SUBJECT, {"public": public, "by": actor})
    if new:
        control.append_audit(connection, actor, "dossier.key", SUBJECT, {"public": public, "fingerprint": fingerprint(public)})
    return new


def known_keys(control: ControlStore) -> list[tuple[str, str]]:
    """(public key, since when) of each that ever signed here, oldest first."""
    return [(str(each.body["public"]), each.at) for each in KEYS.about(control, SUBJECT)]


def fingerprint(public: str) -> str:
    """16 hexadecimal digits by which people compare keys."""
    return digest_bytes(bytes.fromhex(public))[:16]


def is_signed(public: str, signature: str, message: bytes) -> bool:
    """Whether a public key's owner signed exactly these bytes. False for texts that are no key or no signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_public(given: str) -> list[str]:
    """The public keys that a person names: 64 hexadecimal digits, PEM, or a file of either, a key a line. Raises InputError."""
    text = given
    if len(given) < 1000 and "\n" not in given and Path(given).is_file():
        text = Path(given).read_text(errors="replace")
    if "BEGIN PUBLIC KEY" in text:
        return [_of_pem(text)]
    found = [word.lower() for line in text.splitlines() for word in line.split() if _is_key(word)]
    if not found:
        raise InputError(
            "What was given names no public key.",
            seen=given[:200],
            safe="nothing was verified.",
            hint="give 64 hexadecimal digits, PEM, or a file of them: `slipstream dossier key` prints it where it was made.",
        )
    return found


def _is_key(word: str) -> bool:
    try:
        return len(word) == 2 * SEED and len(bytes.fromhex(word)) == SEED
    except ValueError:
        return False


def _of_pem(text: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(text.encode())
    except ValueError as error:
        raise InputError("The public key's PEM cannot be read.", hint="give the file that was handed out.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("The public key is of another kind: dossiers are signed by Ed25519.", seen=type(key).__name__)
    return str(key.public_bytes_raw().hex())


def pem_of(public: str) -> str:
    """The key as PEM, for openssl."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _seed(text: str, where: str) -> bytes:
    try:
        seed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        seed = b""
    if len(seed) == SEED:
        return seed
    raise SpecError(
        f"What {where} holds is no key that signs dossiers.",
        safe="nothing was signed.",
        hint="it is 32 random bytes in base64: python -c 'import secrets; print(secrets.token_urlsafe(32))'.",
    )
