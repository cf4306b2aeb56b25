"""A subject's rows in files that are not results: raw partitions, pushed rows, events that were set aside, answers kept."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator

import pyarrow.parquet as pq

from include.core import fault
from include.core.forgotten import Forgotten
from include.core.storage import Storage
from include.core.subject import Subject
from include.data.subject_rows import Columns
from include.data.suppression import marked, rewrite_raw
from include.event_log.poison import FOLDER as POISON
from include.forgetting.tables import scrubbed_text
from include.forgetting.texts import body_of, is_text, names_subject

ASYNCHRONOUS, REGISTRY = "asynchronous", "registry"


def rewrite(storage: Storage, path: str, columns: Columns, subject: Subject, request: str, mode: str) -> Forgotten | None:
    """A raw partition, or a file of pushed rows, without the subject. None where it holds none of its rows."""
    if not path.startswith("pushed/"):
        return rewrite_raw(storage, path, columns, subject, request, mode)
    if (made := marked(storage, path, columns, subject, request, mode)) is None:
        return None
    mark, left = made
    if pq.read_metadata(io.BytesIO(left)).num_rows:  # such a file is named by its content
        storage.create(f"{path.rpartition('/')[0]}/{mark.after}.parquet", left)
        fault.point("forget.pushed.created")
    storage.delete(path)
    return mark


def drop_answers(storage: Storage, models: Iterable[str], subject: Subject) -> int:
    """Predictions that were asked for and kept (`?async`): those about the subject go, asked and answered; how many."""
    count = 0
    for model in models:
        for path in list(storage.list(f"{ASYNCHRONOUS}/{model}")):
            if path.endswith("/request.json") and names_subject(storage.read(path), model, subject):
                storage.delete(path.rpartition("/")[0])  # with its answer
                fault.point("forget.answer.gone")
                count += 1
    return count


def drop_events(storage: Storage, owners: Iterable[str], subject: Subject) -> int:
    """Events that were set aside: those about the subject go, and the file is written anew without them; how many."""
    count = 0
    for owner in owners:
        for path in list(storage.list(f"{POISON}/{owner}")):
            lines = storage.read(path).decode().splitlines(keepends=True)
            kept = [line for line in lines if not names_subject(body_of(json.loads(line)), owner, subject)]
            if len(kept) < len(lines):
                count += len(lines) - len(kept)
                storage.write(path, "".join(kept).encode()) if kept else storage.delete(path)
    return count


def clean_registry(storage: Storage, models: Iterable[str], subject: Subject) -> int:
    """The texts of a registry that is a folder below the root, such as a report's copy; how many files changed."""
    count = 0
    for model in models:
        for path in list(storage.list(f"{REGISTRY}/{model}")):
            if is_text(path):
                text, found = scrubbed_text(path, storage.read(path).decode(errors="surrogateescape"), subject)
                if found:
                    storage.write(path, text.encode(errors="surrogateescape"))
                    fault.point("forget.registry.written")
                    count += 1
    return count


def asked_later(storage: Storage, models: Iterable[str], subject: Subject) -> Iterator[tuple[str, str]]:
    """(model, id) of the requests about the subject that were kept."""
    for model in models:
        for path in storage.list(f"{ASYNCHRONOUS}/{model}"):
            if path.endswith("/request.json") and names_subject(body := storage.read(path), model, subject):
                yield model, _id(body)


def _id(body: bytes) -> str:
    try:
        value = json.loads(body)
    except ValueError:
        return ""
    return str(value.get("id") or "") if isinstance(value, dict) else ""
