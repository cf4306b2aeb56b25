"""Having something computed again: a new generation of its key, with a reason and an audit row."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.nearest import did_you_mean, nearest_day
from include.core.request import Json, Request


@dataclass(frozen=True)
class LedgerEntry:
    """A key of the ledger, and what stands for it now."""

    key: str
    model: str
    step: str
    day: str  # of the partition it is about; empty where it is about none
    generation: int
    committed_at: str  # empty while it is being computed

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


def find(ledger: Ledger, model: str, step: str, day: str | None = None) -> list[LedgerEntry]:
    """The keys of one step of a model, of one day if it is given. Raises DataError if there are none."""
    found = [ledger_entry(ledger, request) for request in _requests(ledger, step) if request.model == model]
    chosen = [each for each in found if day is None or each.day == day]
    if not chosen:
        raise DataError(
            f"Nothing was computed yet for {model} {step}{f' of {day}' if day else ''}.",
            seen=day or step,
            safe="nothing was changed.",
            hint=_near_day(day, found) if found and day else "its DAG computes it: run it.",
        )
    return sorted(chosen, key=lambda each: (each.day, each.committed_at))


def require_step(ledger: Ledger, model: str, step: str) -> None:
    """Raises DataError with the steps there are for one that was never computed for the model. Reads every request."""
    if step not in (known := _steps(ledger, model)):
        raise DataError(
            f"No step {step!r} was computed yet for {model}.",
            seen=step,
            safe="nothing was changed.",
            hint=did_you_mean(step, known, f"steps of {model}"),
        )


def named(ledger: Ledger, key: str) -> LedgerEntry:
    """The key itself. Raises DataError if the ledger has no such request."""
    try:
        return ledger_entry(ledger, ledger.request(key))
    except (OSError, ValueError) as error:  # not there, or no name that a file can have
        step = key.partition("/")[0]
        there = [request.key for request in _requests(ledger, step)] if step.isidentifier() else []
        near = did_you_mean(key, there or _steps(ledger), f"keys of {step}" if there else "steps")
        raise DataError(
            f"The ledger has no {key!r}.",
            seen=key,
            safe="nothing was changed.",
            hint=f"{near} A key looks like train/1f3c…: a task's log names it.",
        ) from error


def dependents(ledger: Ledger, keys: Iterable[str]) -> list[LedgerEntry]:
    """Everything computed, directly or not, from these keys. It is computed again only if their digests change."""
    wanted, found = set(keys), dict[str, LedgerEntry]()
    everything = list(_requests(ledger, ""))
    while wanted:
        paths = tuple(f"ledger/{key}/" for key in wanted)
        users = [each for each in everything if each.key not in found and _reads(each, paths)]
        found |= {request.key: ledger_entry(ledger, request) for request in users}
        wanted = {request.key for request in users}
    return sorted(found.values(), key=lambda each: (each.step, each.day))


def invalidate(
    ledger: Ledger, control: ControlStore, keys: Iterable[LedgerEntry], *, actor: str, reason: str
) -> list[LedgerEntry]:
    """Open a new generation of each key: the next run or clear of its task computes it again.

    What is there stays, and stays readable; only a job still working on it may no longer commit.
    """
    opened = []
    for each in keys:
        token = f"invalidate:{uuid.uuid4().hex}"
        with control.transaction() as connection:  # first, so that no generation is without its row
            detail = {"key": each.key, "from_generation": each.generation, "reason": reason, "token": token}
            control.append_audit(connection, actor, "invalidate", each.model, detail)
        generation = ledger.open_generation(each.key, token, reason)
        opened.append(LedgerEntry(each.key, each.model, each.step, each.day, generation, ""))
    return opened


def _near_day(day: str, found: list[LedgerEntry]) -> str:
    if not day[:4].isdigit():
        return "a day is written as 2013-01-02."
    return nearest_day(day, [each.day for each in found if each.day])  # the names sort as the partitions do


def _steps(ledger: Ledger, model: str = "") -> set[str]:
    """The steps that were computed, of one model if it is given."""
    return {request.step for request in _requests(ledger, "") if model in ("", request.model)}


def _reads(request: Request, paths: tuple[str, ...]) -> bool:
    return any(path in ref.uri for ref in request.inputs.values() for path in paths)


def ledger_entry(ledger: Ledger, request: Request) -> LedgerEntry:
    generation = ledger.generation(request.key)
    result = ledger.result(request.key, generation)
    day = str(request.params.get("day") or request.params.get("as_of") or "")[:10]
    return LedgerEntry(request.key, request.model, request.step, day, generation, result.committed_at if result else "")


def _requests(ledger: Ledger, step: str) -> Iterator[Request]:
    yield from map(ledger.request, ledger.requested(step))
