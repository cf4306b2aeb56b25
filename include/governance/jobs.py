"""The attempts that are under way, as the ledger knows them: what `slipstream status` lists and `cancel` stops."""

from __future__ import annotations

from collections.abc import Iterator

from include.core.ledger import Attempt, Ledger

STEPS = ("tune", "train", "score")  # those that run as jobs


def live(ledger: Ledger, steps: tuple[str, ...] = STEPS) -> list[Attempt]:
    """Attempts that were opened and have neither ended nor left a result, in the newest generation of their key."""
    return [attempt for step in steps for key in _keys(ledger, step) for attempt in _open(ledger, key)]


def _keys(ledger: Ledger, step: str) -> Iterator[str]:
    for path in ledger.storage.list(f"ledger/{step}"):
        if path.endswith("/request.json"):
            yield path.removeprefix("ledger/").removesuffix("/request.json")


def _open(ledger: Ledger, key: str) -> list[Attempt]:
    generation = ledger.generation(key)
    if ledger.result(key, generation) is not None:
        return []
    attempt = Attempt(key, generation, len(ledger.ended(key, generation)) + 1)
    return [attempt] if ledger.storage.exists(f"{attempt.folder}/attempt-{attempt.number}.json") else []
