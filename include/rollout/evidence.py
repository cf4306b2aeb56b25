"""What the prediction log says about one stage, folded into numbers small enough to store with the verdict.

Everything is counted once per entity: sticky clients fail in bursts, and a burst is one fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from include.core.request import Json

CHAMPION, CHALLENGER = 0, 1
BASELINE = 200  # answers of the champion needed to know its p99


class Observation(Protocol):
    """A record of the prediction log (include/serving/log.py)."""

    @property
    def kind(self) -> str: ...  # prediction, shadow, label
    @property
    def unit(self) -> str: ...  # hash of the entity
    @property
    def arm(self) -> str: ...  # the arm the entity belongs to, whoever answered in the end
    @property
    def generation(self) -> int: ...
    @property
    def latency_us(self) -> float: ...
    @property
    def error(self) -> str | None: ...  # why the arm's model gave no score
    @property
    def score(self) -> float | None: ...
    @property
    def against(self) -> float | None: ...  # of a shadow record: the score that was answered


@dataclass(frozen=True)
class Count:
    requests: int = 0
    entities: int = 0
    errors: int = 0  # entities that met an error


@dataclass(frozen=True)
class Evidence:
    """One stage's facts. `errors` and `slow` hold [arm, n] in the order they happened: the arm (0 champion,
    1 challenger) and how many entities of that arm had been seen by then."""

    stage: str
    generation: int
    champion: Count = Count()
    challenger: Count = Count()
    baseline: Count = Count()  # the champion's, in the rollout's earlier stages
    errors: tuple[tuple[int, int], ...] = ()
    slow: tuple[tuple[int, int], ...] = ()
    latency_limit_us: float | None = None  # the champion's p99 over the baseline, fixed for the stage
    difference: float | None = None  # mean |challenger - champion| score over the shadow's pairs

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        values: dict[str, Any] = dict(value)
        for name in ("champion", "challenger", "baseline"):
            values[name] = Count(**values[name])
        for name in ("errors", "slow"):
            values[name] = tuple((int(arm), int(ordinal)) for arm, ordinal in values[name])
        return cls(**values)


@dataclass
class _Tally:
    """The entities of one arm so far, and those that erred or were slow."""

    arm: int
    requests: int = 0
    seen: set[str] = field(default_factory=set)
    erred: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)

    def add(self, record: Observation) -> None:
        self.requests += 1
        self.seen.add(record.unit)

    def note(self, unit: str, among: set[str], marks: list[tuple[int, int]]) -> None:
        """An error or an exceedance: counts only the first of each entity."""
        if unit not in among:
            among.add(unit)
            marks.append((self.arm, len(self.seen)))

    def count(self) -> Count:
        return Count(self.requests, len(self.seen), len(self.erred))


def collect(
    records: Iterable[Observation], *, stage: str, generation: int, since: int, shadow: bool, floor_us: float
) -> Evidence:
    """Fold the log into the evidence of the stage whose route has this generation.

    `since` is the generation of the rollout's first stage: the champion's answers from there on are the
    baseline. `floor_us`: nobody is slow below it, however fast the champion.
    """
    ours, baseline = _split(records, generation, since)
    limit = _latency_limit(baseline, floor_us)
    arms = (_Tally(CHAMPION), _Tally(CHALLENGER))
    errors: list[tuple[int, int]] = []
    slow: list[tuple[int, int]] = []
    gaps: list[float] = []
    for record in ours:
        if record.kind == "shadow" and not shadow:
            continue  # mirrored before the stage, written after it
        tally = arms[CHALLENGER if record.kind == "shadow" or record.arm == "challenger" else CHAMPION]
        tally.add(record)
        if record.error is not None:
            tally.note(record.unit, tally.erred, errors)
        if limit is not None and record.kind == "prediction" and record.latency_us > limit:
            tally.note(record.unit, tally.slow, slow)
        if record.kind == "shadow" and record.score is not None and record.against is not None:
            gaps.append(abs(record.score - record.against))
    return Evidence(
        stage, generation, arms[CHAMPION].count(), arms[CHALLENGER].count(), _count(baseline),
        tuple(errors), tuple(slow), limit, float(np.mean(gaps)) if gaps else None,
    )  # fmt: skip


def _split(records: Iterable[Observation], generation: int, since: int) -> tuple[list[Observation], list[Observation]]:
    """The stage's records, and the champion's answers in the stages before it."""
    ours, baseline = [], []
    for record in records:
        if record.kind == "label":
            continue
        if record.generation == generation:
            ours.append(record)
        elif since <= record.generation < generation and record.kind == "prediction" and record.arm == "champion":
            baseline.append(record)
    return ours, baseline


def _latency_limit(baseline: list[Observation], floor_us: float) -> float | None:
    if len(baseline) < BASELINE:
        return None
    return max(floor_us, float(np.percentile([record.latency_us for record in baseline], 99)))


def _count(records: list[Observation]) -> Count:
    tally, marks = _Tally(CHAMPION), list[tuple[int, int]]()
    for record in records:
        tally.add(record)
        if record.error is not None:
            tally.note(record.unit, tally.erred, marks)
    return tally.count()
