"""Every error a person may meet says four things: what happened, the value seen, what is safe, and what to do next."""

from __future__ import annotations

from include.core.errors import SlipstreamError


def assert_says(error: SlipstreamError, *words: str) -> None:
    """The message holds these words, and tells what is safe and what to do next."""
    text = str(error)
    missing = [word for word in (*words, "Safe: ", "Next: ") if word not in text]
    assert not missing, f"{missing} not in: {text}"
