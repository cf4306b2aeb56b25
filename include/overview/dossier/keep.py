"""The dossier of a promotion, kept in the storage root: what was known of a version at the moment at which it got all traffic.

    dossiers/{model}/v{version}-{the first digits of its digest}.json

One for each rollout, and a last one before the version is given up: a task that is tried again finds that it was made. Killed
between the file and the note of it, the next try makes another, which says the same of a later moment.
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
KEPT = DocumentKind("dossier", Format("the dossier of a promotion"))


@dataclass(frozen=True)
class Kept:
    """`path`: below the storage root. `signed`: whether there was a key. `missing`: sections that could not be made."""

    path: str
    signed: bool
    missing: tuple[str, ...] = ()
    new: bool = True


def keep(services: Installation, model: str, version: int, rollout: str, key: SigningKey | None, actor: str) -> Kept:
    """Make and store it, unless the rollout has one. Without a key it says that nobody signed it."""
    return _keep(services, model, version, f"dossier/{rollout}", key, actor)


def keep_last(services: Installation, model: str, version: int, key: SigningKey, actor: str) -> Kept:
    """The one that stays of a version that is about to be given up: of a moment at which all that it was made from is there."""
    return _keep(services, model, version, f"dossier/given_up/{model}/{version}", key, actor)


def _keep(services: Installation, model: str, version: int, name: str, key: SigningKey | None, actor: str) -> Kept:
    if (known := KEPT.load(services.control, name)) is not None:
        return Kept(str(known.body["path"]), bool(known.body["signed"]), new=False)
    data = issue(services.control, gather(services, model, version, actor), key, actor)
    dossier = read(data)
    path = f"{FOLDER}/{model}/v{version}-{dossier.digest[:16]}.json"
    services.storage.create(path, data)
    fault.point("dossier.stored")
    KEPT.save(services.control, name, model, {"path": path, "signed": key is not None, "version": version})
    return Kept(path, key is not None, tuple(sorted(dossier.body["missing"])))
