"""A fit whose workers come and go: one group after another trains it, each from the newest checkpoint, until the course is done.

A group is left, saved at the next batch, where a node of it is to go, where workers have come that it lacks, or where the job is
asked to end. It breaks where a worker is lost: then those that are left go on from the newest checkpoint.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from include.backends.ray import memory
from include.backends.ray.crew import Crew, Hired
from include.backends.ray.nodes import Losses, Node, draining, nodes
from include.backends.ray.round import Ended, Round
from include.backends.ray.scaling import EARLY, LONGEST, shortage
from include.backends.ray.scaling import LOOK as TOLD_EVERY
from include.core.author import as_slipstream_error
from include.core.errors import JobFailedError, MemoryLimitError, PermanentError, SlipstreamError, TimeLimitError
from include.training.checkpoint import CheckpointStore
from include.training.interruptions import Account, Interruption, Kind, left_at

log = logging.getLogger(__name__)

SETTLE = 10.0  # seconds that a fit's first group waits for more than its minimum
WITHOUT_PROGRESS = 3  # losses in a row without a new checkpoint, after which the attempt ends
LOOK = 0.25
NODES_EVERY = 1.0  # seconds between two looks at the cluster while a group trains
# Once a group has trained for so many times what forming it cost, and for so long, it is formed anew for workers that came.
GROWS_AFTER, GROWS_SECONDS = 20, 10.0


@dataclass
class Open:
    """An interruption whose cost is not known yet: until the next group has done a batch."""

    kind: Kind
    names: tuple[str, ...]
    step: int  # of the checkpoint that the fit goes on from
    since: float  # monotonic
    redone: float = 0.0  # seconds of work that are done again


@dataclass
class Elastic:
    crew: Crew
    store: CheckpointStore
    asked: threading.Event  # the job is to end
    until: float = 0.0  # when the time of the attempt is over, in seconds since 1970; 0: never
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    losses: Losses = field(default_factory=Losses, init=False)
    _open: list[Open] = field(default_factory=list, init=False)
    _names: dict[str, str] = field(default_factory=dict, init=False)
    _going: set[str] = field(default_factory=set, init=False)  # nodes that are to go
    _members: list[Hired] = field(default_factory=list, init=False)  # of the group that trains
    _looks: float = field(default=0.0, init=False)  # when the cluster is looked at next

    def __post_init__(self) -> None:
        self.account, self.workers = Account(self.store), self.crew.workers

    def run(self) -> None:
        """To the end of the course. Raises what a worker met that a retry cannot help; JobFailedError where losses came without
        a new checkpoint between them, where too few workers could be had, and where the job was asked to end."""
        try:
            first = True
            while not self._train(first):
                first = False
        finally:
            self.crew.dismiss()

    def _train(self, first: bool) -> bool:
        """One group. Returns whether the course is done."""
        self._members = self._gather(first)
        ended = Round(self._members, self, self.clock).run()
        self._members = []
        for each in (*(each for each, _ in ended.lost), *ended.parting):
            self.crew.drop(each)
        if ended.done:
            return True
        self._count(ended)
        if self.asked.is_set():
            raise left_at(self._step())
        return False

    # -- before a group --------------------------------------------------------------------------------

    def _gather(self, first: bool) -> list[Hired]:
        """Wait for the workers of the next group."""
        began, told, enough = self.clock(), self.clock(), None
        longest = self.until - EARLY - time.time() if self.until else LONGEST.total_seconds()
        while True:
            if self.asked.is_set():
                raise left_at(self._step())
            self.look()
            ready, now = self.crew.ready()[: self.workers.maximum], self.clock()
            if len(ready) >= self.workers.minimum:
                enough = now if enough is None else enough
                if len(ready) == self.workers.maximum or not first or now - enough >= SETTLE:
                    return ready
            elif now - began > longest:
                raise self._too_few(len(ready), now - began)
            elif now - told > TOLD_EVERY:
                told = now
                log.warning(
                    "waiting for %d workers, %.0f s so far: %d are ready; %s",
                    self.workers.minimum,
                    now - began,
                    len(ready),
                    self._room(),
                )
            self.sleep(LOOK)

    def look(self) -> None:
        """See who has come, who is to go, and ask for who is missing."""
        alive = nodes()
        self._names.update({each.id: each.name for each in alive})
        self.crew.look()
        self._going = draining()
        usable = {each.id for each in alive} - self._going - self._left_out(alive)
        self.crew.sort({each.id for each in alive}, usable, self._members)
        self.crew.fill()

    def _left_out(self, alive: list[Node]) -> set[str]:
        """Nodes that were lost again and again, as long as there are others."""
        flapping = self.losses.flapping()
        out = {each.id for each in alive if each.name in flapping}
        return out if len(out) < len(alive) else set()

    # -- after a group ---------------------------------------------------------------------------------

    def name(self, hired: Hired) -> str:
        node = hired.where.node if hired.where else ""
        return self._names.get(node, node[:12])

    def _count(self, ended: Ended) -> None:
        step = self._step()
        if ended.failed:
            names = tuple(sorted({self.name(each) for each, _ in ended.lost}))
            self.losses.add(names, step)
            self._open.append(Open("lost", names, step, ended.at, ended.redone))
            log.warning("lost %s: %s", ", ".join(names) or "no node", ended.said)
            if hopeless := self._hopeless(ended):
                raise hopeless
            if self.losses.without_progress >= WITHOUT_PROGRESS:
                raise self._no_progress(step, ended)
        elif self.asked.is_set():
            self.account.stop(step)
        else:
            where = ended.names or tuple(sorted({self.name(each) for each in ended.parting}))
            self._open.append(Open(ended.why, where, step, ended.at))

    def _hopeless(self, ended: Ended) -> SlipstreamError | None:
        """What another group would meet as well: an error that a retry cannot help, or too little memory."""
        died = [(each, error) for each, error in ended.lost if error is not None]
        causes = [*ended.errors, *(as_slipstream_error(error) for _, error in died)]
        for kind in (PermanentError, MemoryLimitError):
            if found := next((cause for cause in causes if isinstance(cause, kind)), None):
                return found
        alive = {node.id for node in nodes()}
        if not any(each.where and each.where.node in alive for each, _ in died):
            return None  # their machines are gone
        failed = JobFailedError(ended.said, safe=f"the fit is saved at step {self._step()}.")
        named = memory.named(self.store.folder, failed, [error for _, error in died])
        return named if isinstance(named, MemoryLimitError) else None

    def resumed(self, workers: int) -> None:
        """A group has done its first batch: what came before it has cost so much."""
        now = self.clock()
        self.account.resume(workers)
        for number, each in enumerate(self._open):
            # Where groups broke one after the other, each second counts once.
            until = self._open[number + 1].since if number + 1 < len(self._open) else now
            entry = Interruption(
                each.kind, each.step, workers, each.redone + max(0.0, until - each.since), each.names, each.redone
            )
            log.warning("%s", entry)
            self.account.add(entry)
        self._open.clear()

    def _step(self) -> int:
        return max(self.store.steps(), default=0)

    def reason(self, members: Sequence[Hired], trained: float, cost: float) -> tuple[Kind, tuple[str, ...]] | None:
        """Why a group that trains is to be left."""
        if self.asked.is_set():
            return "stopped", ()
        if self.clock() < self._looks:
            return None
        self.look()
        self._looks = self.clock() + NODES_EVERY
        going = tuple(sorted({self.name(each) for each in members if each.where and each.where.node in self._going}))
        if going:
            return "drained", going
        new = [each for each in self.crew.ready() if each not in members]
        if new and len(members) < self.workers.maximum and trained > max(GROWS_SECONDS, GROWS_AFTER * cost):
            return "grown", tuple(sorted({self.name(each) for each in new}))
        return None

    # -- what is said ----------------------------------------------------------------------------------

    def _too_few(self, ready: int, waited: float) -> TimeLimitError:
        out = f"; left out, as they were lost again and again: {self.losses}" if self.losses.flapping() else ""
        return TimeLimitError(
            f"Only {ready} of at least {self.workers.minimum} workers could be had within {waited:.0f} s{out}: {self._room()}.",
            safe=f"the fit is saved at step {self._step()}.",
            hint="add nodes to the cluster, end what holds them, or ask for less (training.workers, training.resources, for one "
            "run its parameter `resources`); then clear the task, which goes on from there.",
        )

    def _room(self) -> str:
        import ray

        return shortage(str(self.crew.reservation), ray.cluster_resources(), ray.available_resources())

    def _no_progress(self, step: int, ended: Ended) -> JobFailedError:
        return JobFailedError(
            f"The workers failed {self.losses.without_progress} times without a new checkpoint between: {ended.said}",
            seen=f"lost in this attempt: {self.losses}",
            safe=f"the fit is saved at step {step}.",
            hint="mend or remove the nodes that are named, or checkpoint more often (training.params.checkpoint_every); the next "
            "attempt resumes from there.",
        )
