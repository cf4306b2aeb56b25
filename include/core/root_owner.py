"""Whose a storage root is: of a platform and a copy of it that was restored from a backup, the one that claimed the root last.

    platform/{number}.json    {number, id, at, why}, by exclusive create

A control store that was restored has the same claim as a document. Where the root's newest claim is another's, the store is that
of a platform which was replaced: its tasks are refused before they change anything. A root that was never claimed is anybody's,
as it was before there were claims, and costs a task one listing of an empty folder.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

from include.core import fault
from include.core.control import ControlStore
from include.core.digest import canonical_json
from include.core.documents import DocumentKind
from include.core.errors import ConflictError, TransientError
from include.core.storage import Storage
from include.core.versioned import Format

log = logging.getLogger(__name__)

FOLDER, SUBJECT = "platform", "platform"
FORMAT = Format("the claim of a storage root")
PLATFORMS = DocumentKind("platform", Format("the platform that a control store is of"))


@dataclass(frozen=True)
class Claim:
    """`id`: of the platform. `why`: for people, where it came from. `at`: UTC, ISO 8601."""

    number: int
    id: str
    at: str
    why: str

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Claim:
        return cls(int(value["number"]), str(value["id"]), str(value["at"]), str(value["why"]))


def path_of(number: int) -> str:
    """Of a claim, in the storage."""
    return f"{FOLDER}/{number:06d}.json"


def newest_claim(storage: Storage) -> Claim | None:
    """The root's; None for one that nobody has claimed."""
    newest = max((path for path in storage.list(FOLDER) if path.endswith(".json")), default=None)
    if newest is None:
        return None
    return Claim.from_json(FORMAT.read(json.loads(storage.read(newest)), storage.uri(newest)))


def own_claim(control: ControlStore) -> Claim | None:
    """The control store's; None for one that was never restored."""
    found = PLATFORMS.about(control, SUBJECT)
    claims = [Claim.from_json(dict(document.body["claim"])) for document in found]
    return max(claims, key=lambda claim: claim.number, default=None)


def claim_root(storage: Storage, claim: Claim) -> None:
    """From now on the root is the claim's platform's. Doing it again changes nothing; of two the first has it.

    Raises ConflictError where another platform has claimed it since the number was chosen.
    """
    fault.point("root.claim")
    storage.create(path_of(claim.number), canonical_json(FORMAT.stamp(asdict(claim))))
    fault.point("root.claimed")
    newest = newest_claim(storage)
    if newest is None or newest.id != claim.id:
        raise _lost(storage, newest)


def require_own_root(control: ControlStore, storage: Storage) -> None:
    """Raises ConflictError where the root is another platform's by now.

    A storage that does not answer is let pass: nothing can be written there now, and a rollback must not wait for it.
    """
    try:
        newest = newest_claim(storage)
    except TransientError as error:
        log.warning("Whose the storage at %s is was not looked at: %s", storage.root, error.what)
        return
    if newest is None:
        return
    own = own_claim(control)
    if own is None or own.id != newest.id:
        raise _lost(storage, newest) if own is None or own.number <= newest.number else _unfinished(storage)


def _lost(storage: Storage, newest: Claim | None) -> ConflictError:
    who = f"the platform that was made on {newest.at[:19]} UTC ({newest.why})" if newest is not None else "nobody"
    return ConflictError(
        f"The storage at {storage.root} belongs to {who}, and this control store is another's.",
        seen=storage.uri(FOLDER),
        safe="this platform changed nothing.",
        hint="if that platform is the one to keep: `make down` here, or stop its scheduler and gateway. If it is not: give this "
        "one a root of its own, a copy of that one without its folder `platform`.",
    )


def _unfinished(storage: Storage) -> ConflictError:
    return ConflictError(
        f"The restoring of this control store is not finished: the storage at {storage.root} is not its own yet.",
        safe="nothing was changed.",
        hint="slipstream backup restore ADDRESS once more: it goes on where it stopped.",
    )
