"""The workers of a fit, as Ray's actors: hired wherever the cluster has room, up to the maximum, and again for each that is lost.

The minimum has a placement group: Ray gives room to all of them or to none, so that two fits never hold half of it each. Those
beyond it are asked for one by one, which an autoscaler sees as demand; whoever comes waits, ready, for the next group.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.backends.ray.member import Member, Where, Work
from include.backends.ray.scaling import Reservation, per_worker, strategy
from include.core.author import as_slipstream_error, describe
from include.core.errors import JobFailedError, PermanentError
from include.core.spec.resources import Resources
from include.core.spec.workers import Workers

if TYPE_CHECKING:
    from ray.actor import ActorHandle

log = logging.getLogger(__name__)

CALLS = 4  # of one worker at once: its fit, and what it is asked meanwhile
FAILED_STARTS = 3  # in a row, with which the attempt ends
GONE = "node has died"  # in what Ray says of an actor: it has no class of its own for that


@dataclass(eq=False)
class Hired:
    """A worker. `where` is known once it is ready; `slot`: its place in the placement group, if it has one.

    `parked`: its node is to go, or has gone too often. It keeps its room there, so that Ray gives us none of it again, and is
    in no group; another is hired for it.
    """

    actor: ActorHandle[Any]
    start: Any
    slot: int | None
    where: Where | None = None
    parked: bool = False


@dataclass
class Crew:
    work: Work
    workers: Workers
    resources: Resources = field(default_factory=Resources)  # of each worker
    hired: list[Hired] = field(default_factory=list, init=False)
    _group: Any = field(default=None, init=False)
    _failed: int = field(default=0, init=False)

    def fill(self) -> None:
        """Ask for as many workers as are missing. Does not wait for them."""
        if self._group is None:
            self._group = self._reserve()
        taken = {each.slot for each in self.hired}
        wanted: list[int | None] = [slot for slot in range(self.workers.minimum) if slot not in taken]
        counted = sum(not each.parked for each in self.hired) + len(wanted)
        wanted += [None] * (self.workers.maximum - counted)
        self.hired += [self._hire(slot) for slot in wanted]

    def look(self) -> None:
        """See who is ready by now, and drop who could not start.

        Raises what a worker's start met, where a retry cannot help or several have failed in a row.
        """
        import ray

        starting = {each.start: each for each in self.hired if each.where is None}
        if not starting:
            return
        done, _ = ray.wait(list(starting), num_returns=len(starting), timeout=0)
        for ref in done:
            try:
                starting[ref].where = ray.get(ref)
                self._failed = 0
            except Exception as error:  # noqa: BLE001 - Ray's, or what the worker's start met
                self.drop(starting[ref])
                self._not_started(error)

    def ready(self) -> list[Hired]:
        """Who may be in a group: those of the placement group first."""
        there = [each for each in self.hired if each.where is not None and not each.parked]
        return sorted(there, key=lambda each: (each.slot is None, each.slot or 0))

    def on(self, nodes: Collection[str]) -> int:
        """How many are ready on these nodes, by their ids."""
        return sum(each.where is not None and each.where.node in nodes for each in self.hired)

    def sort(self, alive: Collection[str], usable: Collection[str], members: Collection[Hired]) -> None:
        """By the ids of their nodes: park those that are not usable, drop those that are gone. A group sees for its `members`."""
        for each in list(self.hired):
            if each.where is not None:
                each.parked = each.where.node not in usable
                if each.where.node not in alive and each not in members:
                    self.drop(each)

    def drop(self, hired: Hired) -> None:
        """End a worker, dead or alive."""
        import ray

        if hired in self.hired:
            self.hired.remove(hired)
        ray.kill(hired.actor)

    def dismiss(self) -> None:
        """End all of them, and give their room back."""
        from ray.util.placement_group import remove_placement_group

        for each in list(self.hired):
            self.drop(each)
        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None

    def _reserve(self) -> Any:
        from ray.util.placement_group import placement_group

        wanted = self.reservation
        return placement_group([dict(each) for each in wanted.bundles], strategy=wanted.strategy)

    @property
    def reservation(self) -> Reservation:
        return Reservation.of(self.resources, self.workers.minimum)

    def _hire(self, slot: int | None) -> Hired:
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        given = per_worker(self.resources)
        cpus, gpus, memory = (given.pop(name, 0) for name in ("CPU", "GPU", "memory"))
        where: Any = "SPREAD" if strategy(self.resources, self.workers.maximum).endswith("SPREAD") else "DEFAULT"
        if slot is not None:  # where a spec says on how many machines, several workers share a bundle
            bundles = len(self.reservation.bundles)
            where = PlacementGroupSchedulingStrategy(self._group, slot // math.ceil(self.workers.minimum / bundles))
        made = ray.remote(Member).options(
            num_cpus=cpus,
            num_gpus=gpus,
            memory=memory or None,
            accelerator_type=self.resources.accelerator or None,
            max_concurrency=CALLS,
            max_restarts=0,
            scheduling_strategy=where,
        )
        actor = made.remote(self.work)
        return Hired(actor, actor.where.remote(), slot)

    def _not_started(self, error: Exception) -> None:
        from ray.exceptions import RayTaskError

        cause = as_slipstream_error(error.cause if isinstance(error, RayTaskError) else error)
        if isinstance(cause, PermanentError):
            raise cause
        log.warning("a worker could not be started: %s", describe(error))
        if GONE in str(error):
            return  # another is asked for, elsewhere
        self._failed += 1
        if self._failed >= FAILED_STARTS:
            raise JobFailedError(
                f"{self._failed} workers in a row could not be started: {describe(error)}.",
                safe="nothing was trained meanwhile; checkpoints are kept.",
                hint="read the log of the Ray node for why its worker processes end.",
            ) from None
