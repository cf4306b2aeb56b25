"""Dossiers that are kept in the storage root: of a promotion, of what persons are asked about, and what somebody had kept.

    dossiers/{model}/v{version}-{the first digits of its digest}.json

One for each rollout, one for each thing that its persons are shown, and a last one before the version is given up: a task that is
tried again finds that it was made. Killed between the file and the note of it, the next try makes another, which says the same of
a later moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.core import fault
from include.core.documents import DocumentKind
from include.core.versioned import Format
from include.governance.dossier.envelope import read
from include.governance.dossier.issue import issue
from include.governance.dossier.keys import SigningKey
from include.overview.dossier.gather import Installation, gather

FOLDER = "dossiers"
SHOWN = 16  # digits of a digest in the name of a file
KEPT = DocumentKind("dossier", Format("a dossier that is kept"))


@dataclass(frozen=True)
class Kept:
    """`path`: below the storage root. `signed`: whether there was a key. `missing`: sections that could not be made."""

    path: str
    signed: bool
    missing: tuple[str, ...] = ()
    new: bool = True


def keep(
    services: Installation, model: str, version: int, rollout: str, key: SigningKey | None, actor: str, asked: str = ""
) -> Kept:
    """Make and store it, unless the rollout has one. Without a key it says that nobody signed it. `asked`: the digest of what
    persons are asked about, where it is of the question and not of the promotion."""
    name = f"dossier/{rollout}" + (f"/asked/{asked[:SHOWN]}" if asked else "")
    return _keep(services, model, version, name, key, actor)


def keep_last(services: Installation, model: str, version: int, last: str, key: SigningKey, actor: str) -> Kept:
    """The one that stays of a version that is about to be given up: of a moment at which all that it was made from is there.
    `last`: when it was last of use; one that was made before that is not the last."""
    return _keep(services, model, version, f"dossier/given_up/{model}/{version}/{last[:19]}", key, actor)


def _keep(services: Installation, model: str, version: int, name: str, key: SigningKey | None, actor: str) -> Kept:
    if (known := KEPT.load(services.control, name)) is not None:
        return Kept(str(known.body["path"]), bool(known.body["signed"]), new=False)
    return store(services, issue(services.control, gather(services, model, version, actor), key, actor), name)


def store(services: Installation, data: bytes, name: str = "") -> Kept:
    """A dossier that was issued, in the storage root. `name`: of its note; by its digest where it is of no rollout."""
    dossier = read(data)
    model, version, signed = str(dossier.body["model"]), int(dossier.body["version"]), dossier.signature is not None
    path = f"{FOLDER}/{model}/v{version}-{dossier.digest[:SHOWN]}.json"
    services.storage.create(path, data)
    fault.point("dossier.stored")
    KEPT.save(
        services.control, name or f"dossier/kept/{dossier.digest}", model, {"path": path, "signed": signed, "version": version}
    )
    return Kept(path, signed, tuple(sorted(dossier.body["missing"])))
