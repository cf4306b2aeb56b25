"""Which traces are recorded, as OTEL_TRACES_SAMPLER and its argument say, decided before anything is made.

The SDK's own samplers come to the same verdict on the same trace: this is their arithmetic, at a tenth of their cost, for the
requests of which nothing else is to be made. Source: OpenTelemetry's specification, Trace SDK, "Built-in samplers"; the share is
of the lower 64 bits of the trace's id.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from include.core.environment import OTEL_SAMPLER, OTEL_SAMPLER_ARG
from include.core.errors import SpecError

ALL = 1 << 64
_PARENT = "parentbased_"
_RATIO = "traceidratio"
_PLAIN = {"always_on": ALL, "always_off": 0}
KNOWN = tuple(f"{prefix}{name}" for prefix in (_PARENT, "") for name in (*_PLAIN, _RATIO))


@dataclass(frozen=True)
class Sampling:
    parent: bool
    """Whether the caller's own verdict stands, where it brings one."""
    bound: int
    """A trace is recorded if the lower 64 bits of its id are below."""

    @classmethod
    def of(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Raises SpecError for a sampler that there is not, and for a share that is none: the SDK would record everything."""
        name = OTEL_SAMPLER.read(environ).strip().lower() or OTEL_SAMPLER.default
        if name not in KNOWN:
            raise SpecError(
                f"{OTEL_SAMPLER.name} names no sampler that this release knows.",
                seen=name,
                safe="nothing is traced.",
                hint=f"one of {', '.join(KNOWN)}.",
            )
        kind = name.removeprefix(_PARENT)
        bound = _PLAIN[kind] if kind in _PLAIN else round(_share(environ) * ALL)
        return cls(name.startswith(_PARENT), bound)

    def records(self, trace_id: int) -> bool:
        return trace_id % ALL < self.bound


def _share(environ: Mapping[str, str] | None) -> float:
    given = OTEL_SAMPLER_ARG.read(environ)
    try:
        share = float(given or "1")
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise SpecError(
            f"{OTEL_SAMPLER_ARG.name} is no share of the traces.",
            seen=given,
            safe="nothing is traced.",
            hint="a number from 0 to 1, such as 0.01 for one of a hundred.",
        )
    return share
