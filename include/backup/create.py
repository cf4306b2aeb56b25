"""Making a backup, while the platform runs: the control store at one moment, and what that moment refers to.

The manifest comes last, by exclusive create. Until then there is no backup at the address, whatever lies there; a second try
begins anew, and does not copy the root's files again that the first one has. What others left there unfinished goes after a day.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from include.backup import manifest as manifests
from include.backup.dump import audit_head, dump
from include.backup.index import index
from include.backup.manifest import CONTROL, DATA, LEDGER, SEALS, TOKENS, Manifest
from include.backup.parts import FOLDER, Writer
from include.core import fault
from include.core.address import shown
from include.core.catalog import folder_of, owner_names
from include.core.control import ControlStore
from include.core.digest import PROJECT, digest_bytes
from include.core.entity_key import entity_key, is_kept
from include.core.errors import ConflictError, SlipstreamError, SpecError
from include.core.housekeeping import housekeeping
from include.core.repository import commit_of, commits_of
from include.core.root_owner import FOLDER as CLAIMS
from include.core.schema import HEAD
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.snapshot import snapshot
from include.core.storage import LocalStorage, Storage
from include.core.time import now, timestamp
from include.governance.seals import FOLDER as SEALED
from include.serving.http.tokens import read_file

UNFINISHED = timedelta(days=1)  # after which another attempt's parts count as left


@dataclass(frozen=True)
class Made:
    """What was written: the manifest, and how many of the root's files are in it (0 without data)."""

    manifest: Manifest
    files: int
    bytes: int


def create(
    settings: Settings, control: ControlStore, storage: Storage, target: Storage, *, with_data: bool, release: str
) -> Made:
    """Write a backup into an empty place.

    Raises ConflictError where there is a backup already, and SpecError for a place inside the storage root, or around it.
    """
    _require_apart(settings, storage, target)
    _require_free(target)
    with housekeeping(f"unfinished backups at {target.root}"):
        _sweep(target)
    identity = uuid.uuid4().hex[:16]
    with scratch_folder(settings.scratch()) as scratch:
        writer = Writer(target, identity, scratch)
        seals = [[path, storage.read(path).decode()] for path in storage.list(SEALED)]  # none that the rows do not know yet
        head = _control(control, writer, scratch)
        writer.lines(LEDGER, LEDGER, index(storage))
        writer.lines(SEALS, SEALS, seals)
        _tokens(settings, writer, scratch)
        copied = _data(storage, writer, with_data=with_data)
        manifest = Manifest(
            identity, timestamp(), release, HEAD, storage.root, shown(control.url), head["seq"], head["hash"], key_mark(settings),
            _code(settings), tuple(writer.parts),
        )  # fmt: skip
    fault.point("backup.parts")
    if not manifests.write(target, manifest):
        writer.undo()
        raise _taken(target)
    fault.point("backup.written")
    return Made(manifest, len(copied), sum(size for _, _, size in copied))


def _require_apart(settings: Settings, storage: Storage, target: Storage) -> None:
    """A backup that is lost with what it is a copy of is none."""
    here = [_place(storage.root), *([_place(str(settings.home))] if isinstance(target, LocalStorage) else [])]
    there = _place(target.root)
    if any(there.startswith(place) or place.startswith(there) for place in here):
        raise SpecError(
            "A backup is no part of what it is a copy of.",
            seen=shown(target.root),
            safe="nothing was written.",
            hint=f"name a place outside {shown(storage.root)} and {settings.home}, on another disk or in another bucket.",
        )


def _place(root: str) -> str:
    """A folder by its true path, an address as it is; with a slash at its end."""
    return (root if "://" in root else str(Path(root).resolve())).rstrip("/") + "/"


def _require_free(target: Storage) -> None:
    if target.exists(manifests.PATH):
        raise _taken(target)


def _taken(target: Storage) -> ConflictError:
    return ConflictError(
        f"There is a backup at {shown(target.root)} already.",
        safe="it was left as it is.",
        hint="name another place, such as the same with today's date.",
    )


def _sweep(target: Storage) -> None:
    """Parts of attempts that were cut off."""
    newest: dict[str, Any] = {}
    for path, at in target.changed(""):
        if path.startswith(FOLDER):
            folder = path.partition("/")[0]
            newest[folder] = max(at, newest.get(folder, at))
    for folder, at in newest.items():
        if now() - at > UNFINISHED:
            target.delete(folder)


def _control(control: ControlStore, writer: Writer, scratch: Path) -> Any:
    """First to files of this machine: a transaction does not stay open while they are carried away."""
    with snapshot(control) as connection:
        head = audit_head(connection)
        tables = dump(connection, scratch)
    for name, (path, count) in tables.items():
        writer.file(CONTROL, name, path, count, ".jsonl.gz")
    return head


def _tokens(settings: Settings, writer: Writer, scratch: Path) -> None:
    """Of each its digest: a file that holds anything else is refused as the gateway refuses it."""
    path = Path(settings.gateway_tokens)
    if path.exists():
        count = len(read_file(path))
        (scratch / "tokens").write_bytes(path.read_bytes())
        writer.file(TOKENS, TOKENS, scratch / "tokens", count, ".json")


def _data(storage: Storage, writer: Writer, *, with_data: bool) -> list[Any]:
    """Every file of the root, listed after the control store was read: what it refers to is among them."""
    if not with_data:
        return []
    paths = (path for path in storage.list("") if not path.startswith((f"{CLAIMS}/", f"{SEALED}/")))
    copied = [line for line in (writer.copy(storage, path) for path in paths) if line is not None]
    writer.lines(DATA, DATA, copied)
    return copied


def key_mark(settings: Settings) -> str:
    """A digest by which the key of the place it is restored to can be compared; the key itself is in no backup."""
    if not is_kept(settings.home, settings.environ):
        return ""
    return digest_bytes(b"slipstream backup " + entity_key(settings.home, settings.environ))[:16]


def _code(settings: Settings) -> dict[str, str]:
    return {"platform": commit_of(PROJECT), **dict(_model_commits(settings))}


def _model_commits(settings: Settings) -> Iterator[tuple[str, str]]:
    for model in owner_names(settings.models):
        try:
            yield model, commits_of(folder_of(model, settings.models)).model
        except SlipstreamError:  # it cannot be found: what was trained of it names its commit itself
            continue
