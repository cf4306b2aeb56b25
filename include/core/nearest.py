"""What a person may have meant by a name, a number or a day that matches nothing: the closest ones, and what there is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from typing import TypeVar

from include.core.partition import Partition

SHOWN = 20  # of what there is
Day = TypeVar("Day", Partition, date, str)
ALIKE = 0.5  # of 1: how much of a name must agree


def did_you_mean(given: str, known: Iterable[str], kind: str) -> str:
    """A hint: the closest name, and the names there are. `kind` is their plural, such as "models"."""
    names = sorted(set(known))
    if not names:
        return f"there are no {kind} yet."
    begun = [name for name in names if given and name.startswith(given)]
    close = begun[:1] or get_close_matches(given, names, n=1, cutoff=ALIKE)
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    asked = f"did you mean {close[0]}? " if close else ""
    return f"{asked}{kind} here: {', '.join(names[:SHOWN])}{more}."


def nearest_number(given: int, known: Iterable[int], kind: str) -> str:
    """The same for numbers: the closest, and the range there is."""
    numbers = sorted(set(known))
    if not numbers:
        return f"there are no {kind} yet."
    close = min(numbers, key=lambda number: (abs(number - given), number))
    listed = ", ".join(map(str, numbers)) if len(numbers) <= SHOWN else f"{numbers[0]} to {numbers[-1]}"
    return f"the closest is {close}; {kind} here: {listed}."


def nearest_day(given: Day, known: Iterable[Day]) -> str:
    """The same for days and other partitions, or their names: the neighbours before and after.

    A run's id is a likely source of a day that is one too late.
    """
    days = sorted(set(known))
    if not days:
        return "there are no days yet."
    before, after = [day for day in days if day < given][-1:], [day for day in days if day > given][:1]
    near = " and ".join(map(str, before + after))
    return (
        f"the nearest: {near}; days here: {days[0]} to {days[-1]} ({len(days)}). "
        "(A scheduled run's id carries the end of its interval: the day of scheduled__2013-01-03... is 2013-01-02.)"
    )
