"""Logins that travel with a job, and that only the cluster can read: sealed under the token that both sides have.

Ray keeps and shows whatever a job is handed: its arguments, its environment, its metadata. So a login goes as an envelope:
AES-256-GCM under a key made from the cluster's token (scrypt, a salt for each envelope: a token may be a person's choice, and the
envelope lies where a guess could be tried), bound to the job's name, so that it opens for no other job. The token is the password
of connection `slipstream_ray` on one side and Ray's own setting on the other; Ray shows it nowhere.

What is opened stays in the memory of the process that opened it. See docs/adr/0053-jobs-elsewhere.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from include.core.environment import RAY_TOKEN, RAY_TOKEN_FILE
from include.core.errors import PermanentError, SpecError

VERSION = b"\x01"
SALT, NONCE = 16, 12  # bytes
SHORTEST = 16  # characters of a token that seals; Ray makes 64
_PLACE = f"{RAY_TOKEN.name} or {RAY_TOKEN_FILE.name}"


def seal(logins: Mapping[str, str], job: str, token: str) -> str:
    """The logins as text for one job. Raises SpecError where there is no token to seal them with, or it is too short."""
    if len(token) < SHORTEST:
        raise SpecError(
            f"{'The Ray cluster has no token' if not token else 'The token of the Ray cluster is too short'}: "
            "logins cannot be sent to its jobs unseen.",
            seen=f"{len(token)} characters",
            safe="nothing was sent and no job was started.",
            hint="make a token (`ray get-auth-token --generate`), start the cluster with RAY_AUTH_MODE=token and that token, and "
            "give it as the password of connection slipstream_ray. Or give the nodes logins of their own, and set "
            "SLIPSTREAM_RAY_LOGINS=nodes.",
        )
    salt, nonce = os.urandom(SALT), os.urandom(NONCE)
    sealed = AESGCM(_key(token, salt)).encrypt(nonce, json.dumps(dict(logins)).encode(), job.encode())
    return base64.urlsafe_b64encode(VERSION + salt + nonce + sealed).decode()


def opened(envelope: str, job: str, token: str) -> dict[str, str]:
    """The logins again. Raises PermanentError, which shows nothing of them."""
    try:
        data = base64.urlsafe_b64decode(envelope.encode())
        if data[:1] != VERSION:
            raise ValueError("an envelope of another release")
        salt, nonce, sealed = data[1 : 1 + SALT], data[1 + SALT : 1 + SALT + NONCE], data[1 + SALT + NONCE :]
        logins: dict[str, str] = json.loads(AESGCM(_key(token, salt)).decrypt(nonce, sealed, job.encode()))
    except (InvalidTag, ValueError, binascii.Error) as error:
        why = str(error) or "its token is not the one that they were sealed with"
        raise PermanentError(
            f"The logins of job {job} cannot be opened on this node: {why}.",
            seen="a token" if token else f"no token: neither {_PLACE} is set",
            safe="nothing was run.",
            hint=f"give every node the cluster's token ({_PLACE}), the same as the password of connection slipstream_ray; "
            "then clear the task.",
        ) from None
    return logins


def node_token(environ: Mapping[str, str]) -> str:
    """The cluster's token as a node has it: in Ray's own order. Empty where it has none."""
    if text := RAY_TOKEN.read(environ).strip():
        return text
    path = Path(RAY_TOKEN_FILE.read(environ) or Path.home() / ".ray" / "auth_token")
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _key(token: str, salt: bytes) -> bytes:
    return hashlib.scrypt(token.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=32)
