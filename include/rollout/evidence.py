"""What a stage has seen, small enough to store with the verdict, and enough to compute it again.

Events (errors, slow answers, scores far out, wrong answers, large errors, named outcomes) are counted once per entity:
sticky clients fail in bursts, and a burst is one fact. They are kept by slice of the stage's planned
requests: the boundary needs no finer clock, and a stage of a million requests has no more of them.

What is compared between the arms may be "ever met an error": whoever asks, and how often, does not depend on
the arm. A *rate* may not: of entities that ask 10,000 times each nearly all meet an error once, however seldom
errors are. So a rate is of first requests: each entity is one observation, whatever the number of its requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from include.core.request import Json
from include.rollout.alpha_spending import Ints, slice_of

CHAMPION, CHALLENGER = 0, 1
ERRORS, REQUESTS, ENTITIES, FAILURES = "errors", "requests", "entities", "failures"
FIRST = "first_errors"  # entities whose first request in the stage met an error
# After the plan entities are observed anew in each period of the stage, a doubling of its length.
AGAIN, AGAIN_ERRORS = "entities_again", "first_errors_again"
LABELLED = "labelled"  # entities with a label, where a promotion depends on labels


def first_of(stream: str) -> str:
    """The entities whose first label in the stage was the event of a stream: a rate needs one observation an entity."""
    return f"first_{stream}"


@dataclass(frozen=True)
class Count:
    requests: int = 0
    entities: int = 0
    errors: int = 0  # entities that met an error


Pair = tuple[tuple[int, ...], tuple[int, ...]]  # by slice: the champion's, the challenger's


@dataclass(frozen=True)
class Evidence:
    """One stage's facts.

    `slices` by stream: `requests` and `failures` (requests that met an error) count requests, `entities` the
    new ones and `first_errors` those of them that met an error at once, the same `again` in each period after the
    plan, `labelled` and `first_loss` and the like the same of entities' first labels, every other stream the entities
    that met the event for the first time. `limits` are the champion's quantiles over the rollout's earlier stages,
    fixed when the stage began: in microseconds for `latency_*`, scores or values for `score_*`, losses in the label's
    unit (or that of costs) for `loss_*`.
    """

    stage: str
    generation: int
    planned: int  # requests in the planned length of the stage: of both arms; of the shadow alone where it is one
    clock: int = 0  # such requests so far
    champion: Count = Count()
    challenger: Count = Count()
    baseline: Count = Count()  # the champion's, in the rollout's earlier stages
    limits: Mapping[str, float] = field(default_factory=dict)
    slices: Mapping[str, Pair] = field(default_factory=dict)
    difference: float | None = None  # mean distance of the challenger's answers and the champion's, over the shadow's pairs

    @property
    def complete(self) -> int:
        """The slices that are over: only they are judged."""
        return slice_of(self.clock, self.planned)

    @property
    def first_known(self) -> bool:
        """Whether entities were observed by their first requests. Evidence stored by earlier versions was not."""
        return FIRST in self.slices

    @property
    def rate_stream(self) -> str:
        """The stream whose share of `entities` is an error rate."""
        return FIRST if self.first_known else ERRORS

    def arms(self, stream: str, slices: int) -> tuple[Ints, Ints]:
        """A stream's counts of the champion and of the challenger in the first slices; zeros where it has none."""
        champion, challenger = self.slices.get(stream, ((), ()))
        return _padded(champion, slices), _padded(challenger, slices)

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        values: dict[str, Any] = dict(value)
        for name in ("champion", "challenger", "baseline"):
            values[name] = Count(**values[name])
        values["slices"] = {name: (tuple(pair[0]), tuple(pair[1])) for name, pair in values["slices"].items()}
        return cls(**values)


def _padded(counts: tuple[int, ...], slices: int) -> Ints:
    padded = np.zeros(slices, np.int64)
    padded[: len(counts)] = counts[:slices]
    return padded
