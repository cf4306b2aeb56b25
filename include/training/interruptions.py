"""What was lost while a fit was under way: each time that its workers went or came, and the seconds that it cost.

The account lies among the checkpoints, a file for each entry, so that the attempt that ends the fit tells of those before it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from include.core.errors import JobFailedError
from include.core.json_types import Json
from include.training.checkpoint import CheckpointStore

Kind = Literal["lost", "drained", "grown", "stopped"]
WORDS: dict[Kind, str] = {
    "lost": "workers were lost",
    "drained": "workers left, as their machine was to go",
    "grown": "workers came",
    "stopped": "the job was asked to end, and went on later",
}


@dataclass(frozen=True)
class Interruption:
    """One of them. `step`: of the checkpoint that the fit went on from, with `workers`.

    `seconds`: what it cost, until the next batch was done. `redone`: so many of them are work since that checkpoint, which was
    lost and is done again. `nodes`: those that were lost, are to go, or came, as Ray names them.
    """

    kind: Kind
    step: int
    workers: int
    seconds: float
    nodes: tuple[str, ...] = ()
    redone: float = 0.0

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self), "nodes": list(self.nodes), "seconds": round(self.seconds, 3), "redone": round(self.redone, 3)}

    def __str__(self) -> str:
        where = f" ({', '.join(self.nodes)})" if self.nodes else ""
        return f"{WORDS[self.kind]}{where}: {self.seconds:.1f} s; the fit went on from step {self.step} with {self.workers}"


def seconds_lost(interruptions: Iterable[Interruption]) -> float:
    return round(sum(each.seconds for each in interruptions), 3)


def left_at(step: int) -> JobFailedError:
    return JobFailedError(
        "The fit was asked to end, and left.",
        safe=f"it is saved at step {step}.",
        hint="the next attempt goes on from there.",
    )


class Account:
    """The interruptions of one fit, whatever the number of its attempts."""

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self.entries: list[Interruption] = []
        while (kept := store.load(self._name(len(self.entries)))) is not None:
            given = json.loads(kept)
            self.entries.append(Interruption(**{**given, "nodes": tuple(given["nodes"])}))
        self._stopped = self._left()

    def add(self, entry: Interruption) -> None:
        self._store.save(self._name(len(self.entries)), json.dumps(entry.to_json()).encode())
        self.entries.append(entry)

    def stop(self, step: int) -> None:
        """The fit is saved at that step and leaves: the attempt that goes on with it says for how long it was away."""
        if self._stopped is not None:
            return  # it has been away since then
        left = {"step": step, "at": time.time()}
        self._store.save(f"left-{len(self.entries):04d}", json.dumps(left).encode())

    def resume(self, workers: int) -> None:
        """The first batch of this attempt is done."""
        if self._stopped is not None:
            step, at = self._stopped
            self._stopped = None
            self.add(Interruption("stopped", step, workers, max(0.0, time.time() - at)))

    def _left(self) -> tuple[int, float] | None:
        kept = self._store.load(f"left-{len(self.entries):04d}")
        if kept is None:
            return None
        given = json.loads(kept)
        return int(given["step"]), float(given["at"])

    def _name(self, number: int) -> str:
        return f"interruption-{number:04d}"
