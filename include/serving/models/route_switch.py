"""The switch: one word of shared memory a model, read at every request, says which route the workers follow.

A new route has two phases. Each worker loads and warms its versions, and acknowledges (`offer`). The last one to
do so sets the word, and with it all workers change over between two instructions: no moment has two routes. The
word is set before the last acknowledgement is written, so a request that starts after it meets the new route.

Who does not count: a worker that is not ready yet (it catches up before it joins), one that has died (the
supervisor says so), one that has not been seen for STALE_SECONDS (stopped; it catches up when it wakes).
Truth stays in the control store: every worker reads it by itself, and this memory may be lost at any time.
"""

from __future__ import annotations

import time
from hashlib import blake2b

from include.serving.models.deployment import Deployment
from include.serving.telemetry.shared_memory import SharedMemory

SLOTS, MODELS = 64, 2048  # workers, and models ever routed while the gateway runs
STALE_SECONDS = 3.0
_LIVE, _HEARTBEAT, _TABLE = 0, SLOTS, 2 * SLOTS  # words: 1 for a ready worker, when it was last seen, the models' entries
_ENTRY = 2 + SLOTS  # the model's hash, the generation in force, each worker's acknowledgement
SIZE = 8 * (_TABLE + MODELS * _ENTRY)


class ModelSlot:
    """One model in one worker: what answers now, and what will once the word says so."""

    __slots__ = ("current", "entry", "generation", "next")

    def __init__(self, current: Deployment, entry: int) -> None:
        self.current, self.entry = current, entry
        self.generation = current.generation
        self.next: Deployment | None = None


class Switch:
    """`get` belongs to the event loop; everything else to the deployment manager's thread."""

    def __init__(self, memory: SharedMemory | None = None, slot: int = 0) -> None:
        self._memory, self._slot = memory or SharedMemory(SIZE), slot
        self._words = self._memory.words(0, SIZE // 8)
        self._model_slots: dict[str, ModelSlot] = {}
        self.joined = False

    def get(self, model: str) -> Deployment:
        """What answers now. Raises KeyError for a model without a deployment."""
        model_slot = self._model_slots[model]
        if self._words[model_slot.entry + 1] != model_slot.generation:
            self._advance(model_slot)
        return model_slot.current

    def _advance(self, model_slot: ModelSlot) -> None:
        following = model_slot.next
        if following is not None and following.generation == self._words[model_slot.entry + 1]:
            model_slot.current, model_slot.generation, model_slot.next = following, following.generation, None

    @property
    def models(self) -> list[str]:
        return sorted(self._model_slots)

    def applied(self, model: str) -> int:
        """The generation that this worker follows, and with it all ready ones; 0 for a part of a route."""
        return self.get(model).generation if model in self._model_slots else 0

    # -- any thread ----------------------------------------------------------------------------------

    def in_force(self) -> dict[str, int]:
        """By model the generation that this worker follows, and with it all ready ones. Changes nothing."""
        return {model: self._follows(model_slot) for model, model_slot in list(self._model_slots.items())}

    def _follows(self, model_slot: ModelSlot) -> int:
        following, word = model_slot.next, self._words[model_slot.entry + 1]
        return following.generation if following is not None and following.generation == word else model_slot.generation

    @property
    def speaks(self) -> bool:
        """Whether this is the first of the ready workers that were seen lately: what it says of the gateway is said for all."""
        return self.joined and self._ready_workers()[:1] == [self._slot]

    @property
    def alone(self) -> bool:
        """Whether no other worker is ready."""
        return not self._others()

    # -- the manager's thread ------------------------------------------------------------------------

    def offer(self, deployment: Deployment) -> None:
        """A deployment that is loaded and warm. It answers once every ready worker has offered its generation."""
        model, generation = deployment.spec.name, deployment.generation
        with self._memory.lock():
            entry = self._entry(model)
            model_slot = self._model_slots.get(model)
            if model_slot is None or not generation or generation == model_slot.generation:
                # The first one; a part of a route, at start; or the same route with versions loaded or unloaded.
                self._model_slots[model] = ModelSlot(deployment, entry)
            else:
                model_slot.next = deployment
            self._acknowledge(entry, generation)

    def settle(self) -> None:
        """Once a step: say that this worker lives, join when caught up, take the step that a dead worker held up."""
        self._words[_HEARTBEAT + self._slot] = time.monotonic_ns()
        waiting = [model_slot for model_slot in self._model_slots.values() if model_slot.next is not None]
        if not waiting:
            return
        with self._memory.lock():
            for model_slot in waiting:
                if model_slot.next is not None:
                    self._acknowledge(model_slot.entry, model_slot.next.generation)

    def join(self, *, late: bool = False) -> bool:
        """Become a worker that counts, if every route in force is this one's, too; with `late` in any case."""
        with self._memory.lock():
            self._words[_HEARTBEAT + self._slot] = time.monotonic_ns()
            if not late and not all(self._caught_up(model_slot) for model_slot in self._model_slots.values()):
                return False
            self._words[_LIVE + self._slot] = 1
            self.joined = True
            for model_slot in self._model_slots.values():
                self._acknowledge(model_slot.entry, model_slot.generation)
        return True

    def leave(self) -> None:
        """This worker, or the one that had its slot, counts no more."""
        self._words[_LIVE + self._slot] = 0
        self.joined = False

    def _caught_up(self, model_slot: ModelSlot) -> bool:
        force = self._words[model_slot.entry + 1]
        return model_slot.generation == force or not model_slot.generation or not self._others()

    def _acknowledge(self, entry: int, generation: int) -> None:
        """Under the lock: put the generation in force if it is the last one missing, then say so."""
        words, acknowledged = self._words, entry + 2
        others = self._others()
        may = self.joined or not others
        if may and generation > words[entry + 1] and all(words[acknowledged + slot] == generation for slot in others):
            words[entry + 1] = generation
        words[acknowledged + self._slot] = generation

    def _others(self) -> list[int]:
        """Ready workers beside this one."""
        return [slot for slot in self._ready_workers() if slot != self._slot]

    def _ready_workers(self) -> list[int]:
        words, oldest = self._words, time.monotonic_ns() - int(STALE_SECONDS * 1e9)
        return [slot for slot in range(SLOTS) if words[_LIVE + slot] and words[_HEARTBEAT + slot] > oldest]

    def _entry(self, model: str) -> int:
        """The model's first word; an entry is taken on first use."""
        name = int.from_bytes(blake2b(model.encode(), digest_size=8).digest()) | 1
        for place in range(MODELS):
            entry = _TABLE + place * _ENTRY
            if not self._words[entry]:
                self._words[entry] = name
            if self._words[entry] == name:
                return entry
        raise RuntimeError(f"the gateway has routed {MODELS} models since it started; restart it")
