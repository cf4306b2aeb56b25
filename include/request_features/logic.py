"""What operators and functions give of values that may be missing (None), where that is not simply None; and the bare names that
compiled expressions call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.request_features import values as v


def coalesce(*values: Any) -> Any:
    for value in values:
        if value is not None:
            return value
    return None


def nullif(value: Any, other: Any) -> Any:
    return None if value is None or (other is not None and v.equal(value, other)) else value


def greatest(*values: Any) -> Any:
    """Of those that are there; the first of several that are equal."""
    best = None
    for value in values:
        if value is not None and (best is None or v.greater(value, best)):
            best = value
    return best


def least(*values: Any) -> Any:
    best = None
    for value in values:
        if value is not None and (best is None or v.greater(best, value)):
            best = value
    return best


def not_distinct(value: Any, other: Any) -> bool:
    return other is None if value is None else other is not None and v.equal(value, other)


def distinct(value: Any, other: Any) -> bool:
    return not not_distinct(value, other)


def is_in(value: Any, *others: Any) -> bool | None:
    """None where it equals none of those that are there, and one is missing."""
    if value is None:
        return None
    unknown = False
    for other in others:
        if other is None:
            unknown = True
        elif v.equal(value, other):
            return True
    return None if unknown else False


HELPERS: dict[str, Callable[..., Any]] = {
    "coalesce": coalesce, "nullif": nullif, "greatest": greatest, "least": least, "distinct": distinct,
    "not_distinct": not_distinct, "is_in": is_in, "equal": v.equal, "greater": v.greater, "at_least": v.at_least,
    "whole": v.whole, "to_whole": v.to_whole, "round_half_away": v.round_half_away, "round_to": v.round_to,
}  # fmt: skip
