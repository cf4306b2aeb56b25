"""Making a platform of a backup: on this machine, with this control store's engine, over this storage root.

    1  the backup is verified, and the storage is asked for all that the control store will refer to
    2  copied files and seals that the storage lacks are put there: what is there already is left as it is
    3  the control store is filled, with its fences raised and its claim, in one transaction
    4  the root is claimed: from then on a former platform's tasks are refused there
    5  the gateway's tokens, where there are none

Killed at any point, the same command goes on: 2, 4 and 5 may be repeated, and a store that was filled from this very backup is
known by its claim.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from include.backup import verify as checks
from include.backup.load import load, require_empty, what_is_there
from include.backup.manifest import CONTROL, DATA, TOKENS, Manifest
from include.backup.parts import data_path, fetch, lines_of
from include.core import fault
from include.core.control import ControlStore
from include.core.digest import digest_file
from include.core.errors import ConflictError, IntegrityError
from include.core.private_files import write_private
from include.core.root_owner import PLATFORMS, SUBJECT, Claim, claim_root, newest_claim, own_claim
from include.core.schema.state import stored
from include.core.settings import Settings
from include.core.storage import Storage
from include.core.time import timestamp

SHOWN = 5


@dataclass
class Restored:
    """What was done. `went_on`: the store had been filled by a run before. `kept`: files that the storage had otherwise."""

    manifest: Manifest
    claim: Claim | None = None
    went_on: bool = False
    rows: dict[str, int] = field(default_factory=dict)
    references: int = 0
    lacking: list[str] = field(default_factory=list)
    files: int = 0
    kept: list[str] = field(default_factory=list)
    tokens: bool = False


@dataclass(frozen=True)
class Wanted:
    """How it is to be restored. `take_over`: the root may be one that another platform has used. `anyway`: also where the
    storage lacks some of what is referred to. `dry_run`: only steps 1."""

    actor: str
    take_over: bool = False
    anyway: bool = False
    dry_run: bool = False


def restore(
    settings: Settings,
    control: ControlStore,
    storage: Storage,
    source: Storage,
    manifest: Manifest,
    scratch: Path,
    wanted: Wanted,
) -> Restored:
    """Raises ConflictError for a control store in use, and for a root that is another platform's; IntegrityError for a backup
    that is damaged, or a storage that lacks what is referred to. Nothing is changed then."""
    done = Restored(manifest)
    before = _claim_of(control, manifest)
    if before is None:
        _require_empty(control)
        _require_free(storage, manifest, wanted)
    _check(source, manifest, scratch, storage, done, wanted)
    if wanted.dry_run:
        return done
    _bring_files(storage, source, manifest, scratch, done)
    _bring_seals(storage, source, manifest, scratch)
    done.went_on = before is not None
    done.claim = before or _fill(control, storage, source, manifest, scratch, wanted, done)
    claim_root(storage, done.claim)
    done.tokens = _bring_tokens(settings, source, manifest, scratch)
    return done


def _claim_of(control: ControlStore, manifest: Manifest) -> Claim | None:
    """The store's claim, if it was filled from this backup."""
    with control.explaining():
        if stored(control.engine) is None:
            return None
    with control.transaction() as connection:
        if "documents" not in what_is_there(connection):
            return None
    for document in PLATFORMS.about(control, SUBJECT):
        if document.body["backup"] == manifest.id:
            own = own_claim(control)
            mine = Claim.from_json(dict(document.body["claim"]))
            return mine if own is not None and own.id == mine.id else None
    return None


def _require_empty(control: ControlStore) -> None:
    with control.transaction() as connection:
        require_empty(control, what_is_there(connection))


def _require_free(storage: Storage, manifest: Manifest, wanted: Wanted) -> None:
    if wanted.take_over:
        return
    newest = newest_claim(storage)
    if newest is None and storage.root != manifest.root:
        return
    whose = f"the platform of {newest.at[:19]} UTC ({newest.why})" if newest is not None else "the platform that was backed up"
    raise ConflictError(
        f"The storage at {storage.root} is that of {whose}.",
        seen=storage.root,
        safe="nothing was changed.",
        hint="to try a restore, name a copy of the storage (SLIPSTREAM_ROOT). If that platform is gone, or stopped for good: "
        "--take-over; its tasks are refused from then on.",
    )


def _check(source: Storage, manifest: Manifest, scratch: Path, storage: Storage, done: Restored, wanted: Wanted) -> None:
    brought = manifest.with_data
    found = checks.verify(source, manifest, scratch, None if brought else storage)
    done.references, done.lacking = found.references, found.lacking
    if found.problems:
        raise IntegrityError(
            f"The backup at {source.root} is not whole: {'; '.join(found.problems[:SHOWN])}.",
            seen=len(found.problems), safe="nothing was restored.", hint="slipstream backup verify says all of it.",
        )  # fmt: skip
    if found.lacking and not (wanted.anyway or wanted.dry_run):
        raise IntegrityError(
            f"The storage at {storage.root} lacks {len(found.lacking)} of {found.references} results that the backup refers to: "
            f"{'; '.join(found.lacking[:SHOWN])}.",
            seen=len(found.lacking), safe="nothing was restored.",
            hint="is SLIPSTREAM_ROOT right, and the copy of the storage whole? --anyway restores what there is; the days and "
            "versions that lack theirs are to be made again.",
        )  # fmt: skip


def _bring_files(storage: Storage, source: Storage, manifest: Manifest, scratch: Path, done: Restored) -> None:
    for path, digest, _ in lines_of(source, manifest, DATA, scratch):
        done.files += 1
        if storage.exists(path):
            if _digest(storage, path, scratch) != digest:
                done.kept.append(path)
            continue
        local = source.fetch(data_path(digest), scratch)
        if digest_file(local) != digest:
            raise IntegrityError(f"The copy of {path} is not as it was written.", safe="the control store was not touched.")
        fault.point("restore.file")
        storage.upload(local, path)
        if local.is_relative_to(scratch):
            local.unlink()


def _digest(storage: Storage, path: str, scratch: Path) -> str:
    local = storage.fetch(path, scratch)
    digest = digest_file(local)
    if local.is_relative_to(scratch):
        local.unlink()
    return digest


def _bring_seals(storage: Storage, source: Storage, manifest: Manifest, scratch: Path) -> None:
    for path, text in sorted(checks.seals(source, manifest, scratch).items()):
        storage.create(path, text.encode())
        fault.point("restore.seal")


def _fill(
    control: ControlStore, storage: Storage, source: Storage, manifest: Manifest, scratch: Path, wanted: Wanted, done: Restored
) -> Claim:
    newest = newest_claim(storage)
    why = f"restored from the backup {manifest.id} of {manifest.made_at[:19]} UTC"
    claim = Claim((newest.number if newest else 0) + 1, uuid.uuid4().hex[:16], timestamp(), why)
    tables = {part.name: fetch(source, part, scratch) for part in manifest.of(CONTROL)}

    def then(connection: sa.Connection) -> None:
        body: Mapping[str, Any] = {"backup": manifest.id, "claim": vars(claim)}
        PLATFORMS.save_in(connection, f"platform/{claim.id}", SUBJECT, body)
        detail = {"backup": manifest.id, "made_at": manifest.made_at, "release": manifest.release, "platform": claim.id}
        control.append_audit(connection, wanted.actor, "restore_backup", "control store", detail)

    done.rows = load(control, manifest.schema, tables, then)
    return claim


def _bring_tokens(settings: Settings, source: Storage, manifest: Manifest, scratch: Path) -> bool:
    """Whether the gateway's tokens were put here. Those that are here already stay."""
    path = Path(settings.gateway_tokens)
    for part in manifest.of(TOKENS):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, fetch(source, part, scratch).read_text())
            return True
    return False
