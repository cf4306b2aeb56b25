"""What an endpoint's own counters say of a rollout, beside the log of its containers.

A container that dies with a request writes no line of it: who judges by the log alone does not see the worst of challengers. The
endpoint counts such a request as one that failed. And the log's latency begins when a container has decoded a request; the
endpoint's has the wait before it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from include.core.adapters import adapter
from include.core.ports import OpenAws
from include.core.settings import Settings
from include.core.spec import ModelSpec


class Invocations(Protocol):
    """By version, what the target counted. Minutes begin at full ones, in UTC."""

    def failures(self, version: int, since: datetime, until: datetime) -> Mapping[datetime, int]:
        """By minute, the requests that a container did not answer, or with a status from 500 on. It may grow for minutes."""

    def latency_ms(self, version: int, since: datetime, until: datetime) -> float | None:
        """The mean time that the version's containers took, in milliseconds; None where they were not asked."""


def open_invocations(spec: ModelSpec, settings: Settings, aws: OpenAws) -> Invocations:
    """What the target of the spec counts."""
    opener: Callable[[ModelSpec, Settings, OpenAws], Invocations] = adapter(f"invocations.{spec.serving.target}")
    return opener(spec, settings, aws)


def too_slow(
    counted: Invocations, spec: ModelSpec, champion: int | None, challenger: int, since: datetime, until: datetime
) -> Iterable[str]:
    """Why the challenger is not promoted yet, by the endpoint's clock: slower on average than callers are promised, and the
    champion is not. A mean of minutes is no observation of a request: it holds a stage, and its deadline ends it."""
    promised = spec.objectives.latency.total_seconds() * 1000
    own = counted.latency_ms(challenger, since, until)
    if own is None or own <= promised:
        return
    theirs = counted.latency_ms(champion, since, until) if champion is not None else None
    if theirs is None or theirs <= promised:
        beside = "" if theirs is None else f" (the champion's {theirs:.0f} ms)"
        yield f"held: the endpoint takes {own:.0f} ms on average for the challenger{beside}, and {promised:.0f} ms are promised"
