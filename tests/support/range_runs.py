"""A range of the shop's days, taken in without Airflow. As a program: killed at each of its points, and gone on with."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from include.core import fault
from include.core.partition import DAILY
from include.ranges.progress import Progress
from include.ranges.span import Span
from include.ranges.take_in import Range, take_in
from include.services.services import Services
from tests.support.operator_runs import MODEL, day

DAYS = 4
# (point, how often it is passed before): each kills one process; the next one goes on.
KILLS = (
    ("range.chunk.taken", 0),
    ("task.computed", 3),
    ("range.day.made", 2),
    ("range.day.published", 2),
    ("range.chunk.online", 0),
)


def range_of(services: Services, first: int, last: int, **given: Any) -> Range:
    """The shop's days by number, made by this process."""
    defaults: dict[str, Any] = {"run": "a range", "holder": "a test", "workers": 0, "say": _silent, "warn": _silent}
    return Range(
        spec=services.spec(MODEL),
        span=Span(DAILY.on(day(first)), DAILY.on(day(last))),
        ledger=services.ledger,
        control=services.control,
        settings=services.settings,
        store=services.online,
        **{**defaults, **given},
    )


def taken_in(services: Services, first: int, last: int, **given: Any) -> Progress:
    return take_in(range_of(services, first, last, **given))


def _silent(words: str) -> None:
    del words


def _killed(trace: str, point: str, skip: int) -> int:
    """The signal that ended a process which takes the range in; 0 where none did."""
    child = os.fork()
    if child == 0:
        fault.arm(fault.Fault(point, "kill", skip=skip, trace=trace))
        taken_in(Services.from_env(), 1, DAYS)
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main(trace: str) -> None:
    from include.backends.feast import materialize  # noqa: F401 - imported once, for all children

    signals = [_killed(trace, point, skip) for point, skip in KILLS]
    fault.arm(fault.Fault(trace=trace))
    done = taken_in(Services.from_env(), 1, DAYS)
    print(json.dumps({"signals": signals, "found": done.found, "made": done.made}))


if __name__ == "__main__":
    main(sys.argv[1])
