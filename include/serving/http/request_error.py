"""Saying no: a request that cannot be answered, with the field, the value seen and what is allowed."""

from __future__ import annotations

import re
from typing import Any

import msgspec


class RequestError(Exception):
    """Becomes a 4xx (or a 503 that will pass) with a JSON body; `error` is the key that Open Inference Protocol clients read."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        field: str | None = None,
        value: object = msgspec.UNSET,
        allowed: object = msgspec.UNSET,
        retry_after: int = 0,  # seconds: for a 429 or a 503 that will pass
    ) -> None:
        super().__init__(error)
        self.status = status
        self.headers = [(b"retry-after", b"%d" % retry_after)] if retry_after else []
        details = {"field": field or msgspec.UNSET, "value": _short(value), "allowed": allowed}
        self.body: dict[str, Any] = {"error": error, **{k: v for k, v in details.items() if v is not msgspec.UNSET}}

    def again(self) -> RequestError:
        """A copy to raise: an exception keeps the frames it was raised in."""
        copied = RequestError(self.status, str(self))
        copied.headers, copied.body = self.headers, self.body
        return copied


# What a body that cannot be decoded raises: bad JSON, another type, text that is no UTF-8, nesting without end.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PATH = re.compile(r" - at `\$(.*)`$")


def decode_problem(error: Exception) -> tuple[str, str]:
    """What a decoder says, and the path of the field that it says it of, "" where it names none."""
    message = str(error) if not isinstance(error, RecursionError) else "it is nested too deeply"
    path = _PATH.search(message)
    said = _PATH.sub("", message)
    name = re.search(r"field `(\w+)`", said)
    return said, ".".join(filter(None, (path.group(1).lstrip(".") if path else "", name.group(1) if name else "")))


def _short(value: object) -> object:
    """The value as it goes into the answer: never more of it than a person reads, and nothing that JSON cannot hold."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return f"an integer of {value.bit_length()} bits"  # Python refuses to write out one of thousands of digits
    if value is msgspec.UNSET or value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value[:200] if isinstance(value, bytes) else value)
    text = text if len(text) <= 200 else text[:200] + "..."
    return text.encode(errors="backslashreplace").decode()  # half a surrogate is no text
