"""Data beyond the days for which their spec keeps them: raw partitions and scores; and answers that were kept long enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial

from include.core import fault
from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.digest import digest_bytes
from include.core.environment import GATEWAY_ASYNC_DAYS
from include.core.errors import DataError
from include.core.forgotten import Forgotten, keep_raw
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from include.core.storage import Storage
from include.core.time import timestamp
from include.data.raw import RawPartitions
from include.retention.finding import Finding, Kind
from include.scoring import table as scores

WHY, ANSWERS = "retention", "asynchronous"


def find(ledger: Ledger, control: ControlStore, spec: ModelSpec, now: datetime) -> Iterator[Finding]:
    """Of one model: partitions that ended before its days. `now` in UTC, with its zone."""
    yield from find_raw(ledger.storage, spec, now)
    days = spec.data.retention.scores_days
    if days is None:
        return
    sizes = dict(ledger.storage.sizes(scores.folder_of(spec.name)))
    standing = {each.path: each.day for each in scores.table(control, spec.name)}
    for each in scores.table(control, spec.name):
        if _is_over(spec, each.day, days, now):
            act = partial(_withdraw, control, ledger.storage, spec.name, each.day)
            yield Finding(Kind.SCORES, each.path, "removed", sizes.get(each.path, 0), 1, True, act)
    for path, size in sizes.items():  # of a run that was cut off: nothing stands for it
        if path not in standing and (day := _day_of(ledger.storage, spec, path)) is not None and _is_over(spec, day, days, now):
            yield Finding(Kind.SCORES, path, "removed", size, 1, True, partial(_delete, ledger.storage, path))


def find_raw(storage: Storage, spec: PartitionOwner, now: datetime) -> Iterator[Finding]:
    """Raw partitions of a model or a feature set."""
    days = spec.data.retention.raw_days
    if days is None:
        return
    raw = RawPartitions.of(storage, spec)
    for source in spec.data.sources:
        sizes = dict(storage.sizes(f"raw/{spec.name}/{source}"))
        for day in raw.days(source):
            if day.end.replace(tzinfo=UTC) + timedelta(days=days) <= now:
                path = raw.path(source, day)
                yield Finding(Kind.RAW, path, "removed", sizes.get(path, 0), 1, True, partial(_remove_raw, storage, path))


def expired_scores(ledger: Ledger, spec: ModelSpec, now: datetime) -> Iterator[str]:
    """The keys of batches of days that are over: of them the ledger keeps only what still stands."""
    days = spec.data.retention.scores_days
    if days is None:
        return
    for key in ledger.requested("score"):
        request = ledger.request(key)
        if request.model == spec.name and _is_over(spec, str(request.params.get("day", "")), days, now):
            yield key


def find_answers(storage: Storage, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Requests of `?async` and their answers, a day of a model each: what a gateway would sweep, where none runs."""
    oldest = now.date() - timedelta(days=int(GATEWAY_ASYNC_DAYS.read(settings.environ)))
    found: dict[str, list[int]] = {}
    for path, size in storage.sizes(ANSWERS):
        found.setdefault("/".join(path.split("/")[:3]), []).append(size)
    for folder, sizes in sorted(found.items()):
        if _date(folder) < oldest:
            yield Finding(Kind.ANSWERS, folder, "removed", sum(sizes), len(sizes), True, partial(_delete, storage, folder))


def _date(folder: str) -> date:
    try:
        return date.fromisoformat(folder.rpartition("date=")[2])
    except ValueError:
        return date.max


def _is_over(spec: PartitionOwner, day: str, days: int, now: datetime) -> bool:
    try:
        end = spec.data.cadence.parse(day).end
    except DataError:  # of another cadence, or none
        return False
    return end.replace(tzinfo=UTC) + timedelta(days=days) <= now


def _day_of(storage: Storage, spec: PartitionOwner, path: str) -> str | None:
    """The partition of a file of the table; None for another file."""
    folder = path.removeprefix(f"{scores.folder_of(spec.name)}/").removesuffix(f"/{scores.FILE}")
    day = RawPartitions.of(storage, spec).partition_of(f"{folder}/part.parquet")
    return day.name if day is not None else None


def _remove_raw(storage: Storage, path: str) -> bool:
    """The mark goes first: whoever traces a version to it learns that its time was over."""
    try:
        before = digest_bytes(storage.read(path))
    except FileNotFoundError:
        return False
    keep_raw(storage, Forgotten(WHY, before, "", 0, timestamp(), path))
    fault.point("gc.raw.marked")
    storage.delete(path)
    return True


def _withdraw(control: ControlStore, storage: Storage, model: str, day: str) -> bool:
    with exclusive(control, scores.resource(model, day), "gc") as epoch:
        scores.withdraw(control, storage, model, day, epoch)
    return True


def _delete(storage: Storage, path: str) -> bool:
    storage.delete(path)
    return True
