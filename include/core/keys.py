"""The one form of an entity's key: text. `5` and `"5"` are the same entity, wherever they come from.

A whole number is its decimal digits, as text. Text stays as it is: `"05"`, `"5.0"` and `"5 "` are three more entities. Whatever
else a key might be (a fraction, a truth, a time, nothing) is no key: it is refused where it comes in.
"""

from __future__ import annotations

from typing import Any

from include.core.errors import DataError

INT64 = 2**63  # whole numbers run from -INT64 to INT64 - 1
EXACT = 2**53  # up to which every whole number is a floating-point number


def key_text(value: Any) -> str:
    """A key's text. Raises DataError for what is neither text nor a whole number of 64 bits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64:
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:  # what pandas makes of them beside a null
        return str(int(value))
    raise DataError(
        "An entity's key is neither text nor a whole number of 64 bits.",
        seen=value,
        safe="nothing was read or written for it.",
        hint="send the key as text, or as a whole number.",
    )
