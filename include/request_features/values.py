"""What operators and functions of expressions give, for values that are there: DuckDB's results, bit for bit, in plain Python.

Floats are IEEE doubles: nothing fails for them, and NaN is the greatest number and equal to itself. Whole numbers have 64 bits:
what is beyond, or divides by zero, has no value (None). Python's `math` calls the same C library that DuckDB does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from include.core.time import microseconds

INF, NAN = math.inf, math.nan
LOWEST, HIGHEST = -(2**63), 2**63 - 1
MICROSECONDS = 1_000_000
EXACT = 2.0**52  # from here on a double has no digits behind the point


def whole(value: int) -> int | None:
    return value if LOWEST <= value <= HIGHEST else None


def divide(a: float, b: float) -> float:
    if b:
        return a / b
    return NAN if a == 0 or a != a else math.copysign(INF, a) * math.copysign(1.0, b)


def divide_whole(a: int, b: int) -> int | None:
    if b == 0:
        return None
    found = abs(a) // abs(b)
    return whole(found if (a < 0) == (b < 0) else -found)


def remainder_whole(a: int, b: int) -> int | None:
    if b == 0 or (b == -1 and a == LOWEST):
        return None
    found = abs(a) % abs(b)
    return -found if a < 0 else found


def remainder(a: float, b: float) -> float:
    if b == 0 or a - a != 0 or b != b:  # a is no finite number
        return NAN
    return math.fmod(a, b)


def power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -INF if a < 0 and b % 2 == 1 else INF
    except ValueError:
        if a == 0:
            return -INF if math.copysign(1.0, a) < 0 and b % 2 == 1 else INF
        return NAN


def exponential(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return INF


def logarithm(of: Callable[[float], float]) -> Callable[[float], float]:
    def found(a: float) -> float:
        if a > 0:
            return of(a)
        return -INF if a == 0 else NAN

    return found


def bounded(of: Callable[[float], float]) -> Callable[[float], float]:
    """NaN where a function has no value, which Python's raises for."""

    def found(a: float) -> float:
        try:
            return of(a)
        except ValueError:
            return NAN

    return found


def floor(a: float) -> float:
    if not -EXACT < a < EXACT:
        return a
    below = float(math.floor(a))
    return math.copysign(below, a) if a > -1 else below  # -0.0 stays


def ceiling(a: float) -> float:
    return -floor(-a)


def round_half_away(a: float) -> float:
    size = abs(a)
    if not size < EXACT:
        return a
    below = float(int(size))
    return math.copysign(below + 1.0 if size - below >= 0.5 else below, a)


def round_to(a: float, places: int) -> float:
    scale = math.pow(10.0, places)
    found = round_half_away(a * scale) / scale
    return found if found - found == 0 else a


def sign(a: float) -> int:
    if a != a:
        return 0
    return (a > 0) - (a < 0)


def to_whole(a: float) -> int | None:
    """Rounded, the half to the even neighbour."""
    if not -(2.0**63) <= a < 2.0**63:
        return None
    return round(a)


# -- order: NaN is the greatest, and equal to itself ----------------------------------------------------------------------


def equal(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)


def greater(a: float, b: float) -> bool:
    return a > b or (a != a and b == b)


def at_least(a: float, b: float) -> bool:
    return a >= b or a != a


def right(text: str, count: int) -> str:
    return text[-count:] if count else ""


# -- times: UTC, without zone ---------------------------------------------------------------------------------------------


def epoch(moment: datetime) -> float:
    return microseconds(moment) / MICROSECONDS


PARTS: dict[str, Callable[[Any], Any]] = {
    "second": lambda t: t.second, "minute": lambda t: t.minute, "hour": lambda t: t.hour, "day": lambda t: t.day,
    "month": lambda t: t.month, "year": lambda t: t.year, "quarter": lambda t: (t.month + 2) // 3,
    "dayofweek": lambda t: t.isoweekday() % 7, "isodow": lambda t: t.isoweekday(), "dayofyear": lambda t: t.timetuple().tm_yday,
    "week": lambda t: t.isocalendar()[1], "epoch": epoch,
}  # fmt: skip
