"""A secret of the installation that hides entities in logs: without it nobody knows whose hash a record carries.

It comes from the Airflow connection `slipstream_entities` (its password), else from `<home>/secrets/entity_key`, made at
first use and readable by its owner alone. Records of before it was there carry the plain hash.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from include.core.connection import from_env
from include.core.errors import SpecError
from include.core.private_files import kept_secret

CONNECTION = "slipstream_entities"
FILE = "entity_key"


def entity_key(home: Path, environ: Mapping[str, str] | None = None) -> bytes:
    """32 bytes. The same for every process of an installation, until somebody changes it."""
    connection = from_env(CONNECTION, environ)
    text = connection.password if connection and connection.password else _kept(home / "secrets" / FILE)
    return hashlib.sha256(text.encode()).digest()


def is_kept(home: Path, environ: Mapping[str, str] | None = None) -> bool:
    """Whether there is a key already: asking for it would make one else."""
    connection = from_env(CONNECTION, environ)
    return bool(connection and connection.password) or (home / "secrets" / FILE).exists()


def fingerprint(key: bytes) -> str:
    """16 hexadecimal digits by which two keys can be told apart, and neither found."""
    return hashlib.blake2b(b"fingerprint", digest_size=8, key=key, person=b"entity key").hexdigest()


def pseudonyms(key: bytes) -> Callable[[int], str]:
    """What a log writes for an entity's 64-bit hash: 16 hexadecimal digits that only the key's owner can compute."""
    fresh = hashlib.blake2b(digest_size=8, key=key).copy  # half the time of a new one for each

    def pseudonym(unit: int) -> str:
        keyed = fresh()
        keyed.update(unit.to_bytes(8))
        return keyed.hexdigest()

    return pseudonym


def pseudonym(key: bytes, unit: int) -> str:
    """The same for one."""
    return pseudonyms(key)(unit)


def _kept(path: Path) -> str:
    """The file's text, made if it is not there. Raises SpecError where it is another user's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return kept_secret(path, lambda: secrets.token_urlsafe(32))
    except PermissionError as error:
        raise SpecError(
            f"{path} holds the key that hides entities in logs, and belongs to another user.",
            safe="nothing was written.",
            hint=f"give both users the key: AIRFLOW_CONN_{CONNECTION.upper()}, its password being the file's text.",
        ) from error
