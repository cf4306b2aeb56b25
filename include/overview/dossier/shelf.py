"""The dossiers that are kept of a model's versions, for whoever may read the model: which there are, and one as it was made.

Nobody makes one by reading: whoever serves this holds no key. What is handed out was read whole, and by the keys that ever signed
here; a file that was changed is handed out to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from include.core.control import ControlStore
from include.core.errors import DataError, IntegrityError
from include.core.request import Json
from include.core.storage import Storage
from include.governance.dossier.envelope import read
from include.governance.dossier.keys import known_keys
from include.governance.dossier.verify import verify
from include.overview.dossier.keep import KEPT
from include.versions.queries import at_version


@dataclass(frozen=True)
class Shelved:
    """`digest`: the first 16 digits. `at`: when it was kept, UTC, ISO 8601."""

    version: int
    digest: str
    at: str
    signed: bool
    path: str

    def to_json(self) -> dict[str, Json]:
        return {name: value for name, value in asdict(self).items() if name != "path"}


def shelf(control: ControlStore, model: str) -> dict[int, list[Shelved]]:
    """By version: those that are kept, the newest first. Reads the control store alone."""
    found: dict[int, list[Shelved]] = {}
    for each in reversed(KEPT.about(control, model)):
        held = _shelved(each.body, each.at)
        found.setdefault(held.version, []).append(held)
    return found


def take_down(control: ControlStore, storage: Storage, model: str, version: int, digest: str = "") -> bytes:
    """One as JSON; the newest, unless it is named. Raises DataError for a version that is none or has none, and where the file
    is gone; IntegrityError where it is not what was kept."""
    with control.transaction() as connection:
        at_version(connection, model, version)
    held = [each for each in shelf(control, model).get(version, []) if digest in ("", each.digest)]
    if not held:
        raise _none(model, version, digest)
    try:
        data = storage.read(held[0].path)
    except FileNotFoundError:
        raise _none(model, version, held[0].digest) from None
    dossier = read(data)
    keys = [key for key, _ in known_keys(control)]
    found = [*verify(dossier, keys, unsigned=not held[0].signed).found]
    found += _other(dossier.body, dossier.digest, held[0], model)
    if found:
        raise IntegrityError(
            f"The dossier of {model} version {version} that is kept does not hold: {'; '.join(found)}.",
            seen=held[0].path,
            safe="it was not handed out, and stays where it is.",
            hint=f"make another: {command(model, version)}.",
        )
    return data


def command(model: str, version: int) -> str:
    """What makes one that is kept."""
    return f"slipstream dossier {model} {version} --keep"


def _other(body: Mapping[str, Json], digest: str, held: Shelved, model: str) -> Iterator[str]:
    if not digest.startswith(held.digest):
        yield "another lies in its place"
    if (body.get("model"), body.get("version")) != (model, held.version):
        yield "it is of another version"


def _none(model: str, version: int, digest: str) -> DataError:
    which = f" {digest}" if digest else ""
    return DataError(
        f"No dossier{which} of {model} version {version} is kept here.",
        seen=version,
        safe="nothing was made: the console holds no key that signs.",
        hint=f"`{command(model, version)}` makes and keeps one, signed by the key of the machine that runs it.",
    )


def _shelved(body: Mapping[str, Any], at: str) -> Shelved:
    path = str(body["path"])
    digest = PurePosixPath(path).stem.rpartition("-")[2]
    return Shelved(int(body["version"]), digest, at, bool(body["signed"]), path)
