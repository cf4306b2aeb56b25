"""The table of batch scores that others read: one file a partition, under Hive's names.

    scores/flight_delay/date=2013-03-01/part-00000.parquet

A partition has one file of one name, which is replaced as a whole: a reader finds the old scores or the new ones, never both and
never half. Which result stands for a partition is written down first, fenced as a published day is, in the control store; the
file follows, and is read back. A killed attempt leaves the old file beside the new word, and its retry copies again. An attempt
that was overtaken is refused, and before it goes puts the file of its successor back, where it wrote over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.core import fault, partition
from include.core.control import ControlStore
from include.core.digest import digest_file
from include.core.documents import Document, DocumentKind
from include.core.errors import FencedError
from include.core.json_types import Json
from include.core.ledger import Ledger
from include.core.request import Ref, Result
from include.core.scratch import scratch_folder
from include.core.storage import Storage
from include.core.versioned import Format

ROOT, FILE, SCORES = "scores", "part-00000.parquet", "scores.parquet"
STANDING = DocumentKind("scores", Format("which batch of scores stands for a partition"))


@dataclass(frozen=True)
class Standing:
    """What stands for one partition of the table."""

    model: str
    day: str  # the partition's name
    epoch: int
    digest: str  # of its file
    version: int | None
    rows: int
    result: Ref
    at: str

    @property
    def path(self) -> str:
        return path_of(self.model, self.day)


def folder_of(model: str) -> str:
    """Of a model's table, below the storage root."""
    return f"{ROOT}/{model}"


def path_of(model: str, day: str) -> str:
    """Of a partition's one file, below the storage root."""
    return f"{folder_of(model)}/{partition.folder_of(day)}/{FILE}"


def resource(model: str, day: str) -> str:
    """What a publisher takes before it publishes."""
    return f"{ROOT}/{model}/{day}"


def publish(control: ControlStore, ledger: Ledger, model: str, result: Result, epoch: int) -> dict[str, Json]:
    """Make a `score` result its partition's file. Returns `path`, `version`, `rows` and whether anything `changed`.

    `epoch`: the caller's hold of `resource`. Raises FencedError for a caller that was overtaken: what its successor wrote stands.
    """
    value, file = result.value, result.files[SCORES]
    day = str(value["day"])
    before = standing(control, model, day)
    body: dict[str, Json] = {
        "day": day, "epoch": epoch, "digest": file.digest, "version": value.get("version"), "rows": value["rows"],
        "result": ledger.ref(result).to_json(),
    }  # fmt: skip
    path = path_of(model, day)
    if before is None or before.digest != file.digest or not _is_there(ledger.storage, path, file.digest):
        _stand(control, model, body)
        fault.point("scores.recorded")
        try:
            _copy(ledger, result, path)
            fault.point("scores.written")
            with control.transaction() as connection:
                control.fence(connection, resource(model, day), epoch)
        except FencedError:
            restore(control, ledger, model, day)
            raise
        return {"path": path, "version": value.get("version"), "rows": value["rows"], "changed": True}
    return {"path": path, "version": before.version, "rows": before.rows, "changed": False}


def _stand(control: ControlStore, model: str, body: Mapping[str, Any]) -> None:
    """Write down that the result stands from now on. Raises FencedError."""
    day, epoch = str(body["day"]), int(body["epoch"])
    key = f"{resource(model, day)}/{epoch}/{str(body['digest'])[:32]}"

    def effect(connection: sa.Connection) -> dict[str, Json]:
        STANDING.save_in(connection, key, model, body)
        return {}

    control.once(f"publish-{key}", resource(model, day), epoch, effect)


def withdraw(control: ControlStore, storage: Storage, model: str, day: str, epoch: int) -> None:
    """Take a partition out of the table: nothing stands for it any more, then its file goes. Raises FencedError.

    `epoch`: the caller's hold of `resource`. Killed in between, the file is one that nothing stands for.
    """
    with control.transaction() as connection:
        control.fence(connection, resource(model, day), epoch)
        STANDING.drop_in(connection, model, f"{resource(model, day)}/")
    fault.point("scores.withdrawn")
    storage.delete(path_of(model, day))


def standing(control: ControlStore, model: str, day: str) -> Standing | None:
    """What stands for one partition."""
    return next(iter(_standing(STANDING.about(control, model, f"{resource(model, day)}/"))), None)


def table(control: ControlStore, model: str) -> list[Standing]:
    """What stands for each partition, oldest first."""
    return _standing(STANDING.about(control, model))


def _standing(documents: Iterable[Document]) -> list[Standing]:
    found: dict[str, Standing] = {}
    for document in documents:
        each = _read(document)
        if each.day not in found or found[each.day].epoch <= each.epoch:
            found[each.day] = each
    return [found[day] for day in sorted(found)]


def _read(document: Document) -> Standing:
    body = document.body
    return Standing(
        document.subject, body["day"], int(body["epoch"]), body["digest"], body["version"], int(body["rows"]),
        Ref.from_json(body["result"]), document.at,
    )  # fmt: skip


def wrong(control: ControlStore, storage: Storage, model: str) -> Iterator[tuple[Standing, str]]:
    """Partitions whose file is not what stands, and what is wrong with it."""
    for each in table(control, model):
        if not storage.exists(each.path):
            yield each, "its file is gone"
        elif not _is_there(storage, each.path, each.digest):
            yield each, "its file is of another result"


def restore(control: ControlStore, ledger: Ledger, model: str, day: str) -> bool:
    """Put the file of what stands where another is. Returns whether it had to.

    Raises DataError where the result is gone: the partition is to be scored again.
    """
    wanted = standing(control, model, day)
    if wanted is None or _is_there(ledger.storage, wanted.path, wanted.digest):
        return False
    _copy(ledger, ledger.resolve(wanted.result), wanted.path)
    return True


def _copy(ledger: Ledger, result: Result, path: str) -> None:
    with scratch_folder() as folder:
        ledger.storage.upload(ledger.fetch(result, SCORES, folder), path)


def _is_there(storage: Storage, path: str, digest: str) -> bool:
    if not storage.exists(path):
        return False
    with scratch_folder() as folder:
        return digest_file(storage.fetch(path, folder)) == digest
