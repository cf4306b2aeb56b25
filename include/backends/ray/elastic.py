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
from include.backends.ray.nodes import Losses, draining, nodes
from include.backends.ray.round import Ended, Round
from include.backends.ray.scaling import EARLY, LONGEST, shortage
from include.backends.ray.scaling import LOOK as TOLD_EVERY
from include.core.author import as_slipstream_error
from include.core.errors import JobFailedError, MemoryLimitError, PermanentError, SlipstreamError, TimeLimitError
from include.training.checkpoint import CheckpointStore
from include.training.interruptions import Account, Interruption, Kind, left_at, seconds_lost

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
    told: Callable[[dict[str, float], int], None] | None = None  # metrics of a step, for live tracking
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _open: list[Open] = field(default_factory=list, init=False)
    _names: dict[str, str] = field(default_factory=dict, init=False)
    _going: set[str] = field(default_factory=set, init=False)  # nodes that are to go
    _members: list[Hired] = field(default_factory=list, init=False)  # of the group that trains
    _groups: int = field(default=0, init=False)  # formed so far
    _looks: float = field(default=0.0, init=False)  # when the cluster is looked at next

    def __post_init__(self) -> None:
        self.account, self.workers, self.losses = Account(self.store), self.crew.workers, Losses(self.clock)

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
        self._groups += 1
        ended = Round(self._groups, self._members, self, self.clock).run()
        self._members = []
        for each in (*(each for each, _ in ended.lost), *ended.parting):
            self.crew.drop(each)
        if ended.done:
            return True
        self._count(ended)
        if self.asked.is_set():
            raise self._stopped()
        return False

    # -- before a group --------------------------------------------------------------------------------

    def _gather(self, first: bool) -> list[Hired]:
        """Wait for the workers of the next group."""
        began, told, enough = self.clock(), self.clock(), None
        longest = self.until - EARLY - time.time() if self.until else LONGEST.total_seconds()
        while True:
            if self.asked.is_set():
                raise self._stopped()
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
                said = f"waiting for {self.workers.minimum} workers, {now - began:.0f} s so far: {len(ready)} are ready"
                log.warning("%s; %s", said, self._room())
            self.sleep(LOOK)

    def look(self) -> None:
        """See who has come, who is to go, and ask for who is missing."""
        alive = nodes()
        self._names.update({each.id: each.name for each in alive})
        self.crew.look()
        self._going = draining()
        flapping = self.losses.flapping()
        shaky = {each.id for each in alive if each.name in flapping}
        ids = {each.id for each in alive}
        steady = ids - self._going - shaky
        # A node that was lost again and again is left out as long as the fit can do without it.
        enough = self.crew.on(steady) >= self.workers.minimum
        self.crew.sort(ids, steady if enough else ids - self._going, self._members)
        self.crew.fill()

    # -- after a group ---------------------------------------------------------------------------------

    def name(self, hired: Hired) -> str:
        node = hired.where.node if hired.where else ""
        return self._names.get(node, node[:12])

    def _count(self, ended: Ended) -> None:
        step = self._step()
        if not ended.failed:
            where = ended.names or tuple(sorted({self.name(each) for each in ended.parting}))
            if not self.asked.is_set():
                self._open.append(Open(ended.why, where, step, ended.at))
            return
        names = tuple(sorted({self.name(each) for each, _ in ended.lost}))
        self.losses.add(names, step)
        self._open.append(Open("lost", names, step, ended.at, ended.redone))
        log.warning("lost %s: %s", ", ".join(names) or "no node", ended.said)
        if hopeless := self._hopeless(ended):
            raise hopeless
        if self.losses.without_progress >= WITHOUT_PROGRESS:
            raise self._no_progress(step, ended)

    def _hopeless(self, ended: Ended) -> SlipstreamError | None:
        """What another group would meet as well: an error that a retry cannot help, or too little memory.

        Beside a machine that is gone, what the others met may come of that.
        """
        alive = {node.id for node in nodes()}
        if ended.lost and not any(each.where and each.where.node in alive for each, _ in ended.lost):
            return None
        causes = [*ended.errors, *(as_slipstream_error(error) for _, error in ended.lost if error is not None)]
        found = (cause for kind in (PermanentError, MemoryLimitError) for cause in causes if isinstance(cause, kind))
        return next(found, None)

    def resumed(self, workers: int) -> None:
        """A group has done its first batch."""
        self.account.resume(workers)
        self._settle(workers)

    def _settle(self, workers: int) -> None:
        """What has been open until now has cost so much. Where groups broke one after the other, each second counts once."""
        ends = [*(each.since for each in self._open[1:]), self.clock()]
        for each, until in zip(self._open, ends, strict=False):
            seconds = each.redone + max(0.0, until - each.since)
            entry = Interruption(each.kind, each.step, workers, seconds, each.names, each.redone)
            log.warning("%s", entry)
            self.account.add(entry)
            if self.told is not None:
                self.told({"seconds_lost": seconds_lost(self.account.entries)}, entry.step)
        self._open.clear()

    def _stopped(self) -> JobFailedError:
        step = self._step()
        self._settle(0)
        self.account.stop(step)
        return left_at(step)

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

    def _no_progress(self, step: int, ended: Ended) -> SlipstreamError:
        """The attempt's end; where the kernel has killed on a node that is there, as lack of memory."""
        failed = JobFailedError(
            f"The workers failed {self.losses.without_progress} times without a new checkpoint between: {ended.said}",
            seen=f"lost in this attempt: {self.losses}",
            safe=f"the fit is saved at step {step}.",
            hint="mend or remove the nodes that are named, or checkpoint more often (training.params.checkpoint_every); the next "
            "attempt resumes from there.",
        )
        return memory.named(self.store.folder, failed, [error for _, error in ended.lost if error is not None])
