"""Tokens: who may do what with which model. Their digests stand in a file that only its owner may read and write.

    {"tokens": [{"name": "web", "sha256": "<64 hex digits>", "models": ["delay"], "rights": ["predict"],
                 "from": "2026-01-01T00:00:00Z", "until": "2026-07-01T00:00:00Z"}]}

`from` and `until` are optional. A token is rotated by a second entry: both are good until the first one's `until`.
The tokens themselves are random (256 bits), so one SHA-256 keeps them as well as a slow hash would.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from include.core.errors import SpecError
from include.core.private_files import write_private
from include.core.versioned import FIRST
from include.serving.http.request_error import UNREADABLE, decode_problem
from include.serving.http.routes import ADMIN

PREFIX = "slip_"  # so that scanners for leaked secrets, and people, recognise one
LARGEST_FILE = 1 << 20  # bytes
Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.@-]{1,100}\Z")]
Model = Annotated[str, msgspec.Meta(pattern=r"\A(\*|[A-Za-z0-9_]{1,200})\Z")]
Right = Literal["predict", "push", "feedback", "read", "admin"]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: Name
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    models: Annotated[tuple[Model, ...], msgspec.Meta(min_length=1)]
    rights: Annotated[tuple[Right, ...], msgspec.Meta(min_length=1)]
    start: Annotated[datetime, msgspec.Meta(tz=True)] | None = msgspec.field(default=None, name="from")
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    def valid(self, now: datetime) -> bool:
        return (self.start is None or self.start <= now) and (self.until is None or now < self.until)

    def may(self, right: str, model: str | None) -> bool:
        """`model`: None where the route names none."""
        has = right in self.rights or ADMIN in self.rights
        return has and (model is None or model in self.models or "*" in self.models)


class Tokens(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    tokens: tuple[Token, ...]
    v: int = FIRST  # version of the file's format; the first one is not written out


def make() -> str:
    """A new token. Nobody can tell it from its digest."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()


def named(
    name: str, sha256: str, models: Iterable[str], rights: Iterable[str], until: datetime | None, start: datetime | None = None
) -> Token:
    """A token of these parts. Raises SpecError for a part that is none."""
    parts = {"name": name, "sha256": sha256, "models": tuple(models), "rights": tuple(rights), "until": until, "from": start}
    try:
        return msgspec.convert({key: value for key, value in parts.items() if value is not None}, Token)
    except msgspec.ValidationError as error:
        raise SpecError(f"This is no token: {error}.", seen=name, hint="names are of letters, digits, _ . and -") from None


def admin(secret: str) -> Token:
    """The password of the connection `slipstream_gateway`: everything, for all models."""
    return Token(name="connection", sha256=digest(secret.encode()), models=("*",), rights=("admin",))


def parse(text: bytes, where: str) -> tuple[Token, ...]:
    """Raises SpecError with the entry and what is allowed. Two entries of one name or one token are an error."""
    try:
        file = msgspec.json.decode(text, type=Tokens)
    except UNREADABLE as error:
        said, field = decode_problem(error)
        raise _wrong(where, f"{said}{f' ({field})' if field else ''}") from None
    if file.v != FIRST:
        raise _wrong(where, f"its format has version {file.v}; this release reads version {FIRST}")
    tokens = file.tokens
    for kind in ("name", "sha256"):
        seen: set[str] = set()
        for token in tokens:
            if getattr(token, kind) in seen:
                raise _wrong(where, f"two entries have one {kind}: {token.name!r}")
            seen.add(getattr(token, kind))
    return tokens


def read_file(path: Path) -> tuple[Token, ...]:
    """Raises SpecError for a file that others may read or write, and for one that cannot be read; FileNotFoundError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        check_private(path, status)
        return parse(file.read(LARGEST_FILE + 1)[:LARGEST_FILE], str(path))


def check_private(path: Path, status: os.stat_result) -> None:
    """Raises SpecError: who can write the file can do everything."""
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise _wrong(str(path), "it is no file")
    # What a platform mounts for a process that is not root is root's, and the process's group may read it: a secret's volume.
    mounted = os.geteuid() != 0 == status.st_uid and status.st_gid in (os.getegid(), *os.getgroups())
    if mode & (0o037 if mounted else 0o077):
        raise SpecError(
            f"The file of tokens {path} is open to others than its owner.", seen=f"mode {mode:04o}",
            safe="no token in it counts.", hint=f"chmod 600 {path}",
        )  # fmt: skip
    if status.st_uid not in (os.geteuid(), 0):
        raise SpecError(
            f"The file of tokens {path} belongs to another user.", seen=f"user {status.st_uid}", safe="no token in it counts.",
            hint=f"chown {os.geteuid()} {path}",
        )  # fmt: skip


def write_file(path: Path, tokens: Iterable[Token]) -> None:
    """Replace it, whole, readable by its owner alone."""
    text = msgspec.json.format(msgspec.json.encode(Tokens(tuple(tokens))), indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, text.decode() + "\n")


def _wrong(where: str, why: str) -> SpecError:
    return SpecError(
        f"The tokens in {where} cannot be read: {why}.", safe="none of its changes count.",
        hint='write {"tokens": [{"name", "sha256", "models", "rights", "from"?, "until"?}]}; `slipstream token new` does.',
    )  # fmt: skip
