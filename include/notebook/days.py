"""Features of days, made here as the features DAG makes them: a verdict, the day's features, its publication.

What is not done here is bringing the values online, which is for serving: `slipstream features catch-up MODEL` does it, and
so does the DAG.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from include.core.compute import Computed, find_or_compute
from include.core.errors import SlipstreamError, StorageFullError, UnreachableError
from include.core.partition import Partition
from include.core.request import Request
from include.core.spec import PartitionOwner
from include.data.suppression import suppress
from include.features.publication import publish_current
from include.features.request import features_request
from include.services.services import Services
from include.step_values.validation import ValidateValue
from include.validation.request import verdict_request
from include.validation.verdict import raise_if_failed

Say = Callable[[str], None]
TOLD = 10  # lines of progress


@dataclass(frozen=True)
class MadeDay:
    """What became of a day. `words`: why it failed."""

    day: Partition
    state: Literal["computed", "reused", "failed"]
    words: str = ""


def make_days(services: Services, spec: PartitionOwner, days: Sequence[Partition], actor: str, say: Say) -> list[MadeDay]:
    """Make and publish the days, oldest first. One that fails is named and holds up no other; killed, the rest stands.

    Raises what concerns all days: a full disk, a server that does not answer.
    """
    made: list[MadeDay] = []
    started, ordered = time.monotonic(), sorted(days)
    for number, day in enumerate(ordered, start=1):
        made.append(_make(services, spec, day, actor))
        if made[-1].state == "failed":
            say(f"features of {day} failed: {made[-1].words}")
        if number == len(ordered) or number % max(1, len(ordered) // TOLD) == 0:
            rate = number / max(time.monotonic() - started, 1e-6)
            left = f", about {(len(ordered) - number) / rate:.0f} s left" if number < len(ordered) else ""
            say(f"features: {number} of {len(ordered)} days ({rate:.1f} a second{left})")
    return made


def _make(services: Services, spec: PartitionOwner, day: Partition, actor: str) -> MadeDay:
    try:
        suppress(spec, services.storage, [day], services.settings)
        verdict = find_or_compute(verdict_request(spec, day, services.storage), services.ledger, services.settings).result
        files = {name: services.storage.uri(file.path) for name, file in verdict.files.items()}
        raise_if_failed(verdict.read(ValidateValue), files)
        request = features_request(spec, day, services.storage, services.ledger.ref(verdict))
        found = find_or_compute(request, services.ledger, services.settings)
        publish_day(services, spec, day, request, found, actor)
    except (UnreachableError, StorageFullError):
        raise
    except SlipstreamError as error:
        return MadeDay(day, "failed", format(error))
    return MadeDay(day, "reused" if found.reused else "computed")


def publish_day(services: Services, spec: PartitionOwner, day: Partition, request: Request, made: Computed, actor: str) -> bool:
    """Make the result the day's partition; returns whether it was not. Raises SupersededError where it is of what was before."""
    return publish_current(
        spec,
        services.ledger,
        services.control,
        made.result,
        holder=actor,
        key=lambda: features_request(spec, day, services.storage, request.inputs["verdict"]).key,
        hint="make the day again: it takes what is there now.",
    )
