"""The scheme of the address chooses the vendor."""

from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.event_log.open import open_answers, open_events


@pytest.mark.parametrize(("url", "words"), [("", "is not set"), ("amqp://x", "unknown scheme")])
def test_an_address_that_nobody_answers_to(url: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        open_events(url, None, "g", ["t"])
    with pytest.raises(SpecError, match=words):
        open_answers(url, None, None, "g", "m", "t")  # type: ignore[arg-type]


def test_a_redis_is_opened_without_being_asked() -> None:
    assert open_events("redis://127.0.0.1:1/0", None, "g", ["t"]).counts() == {"t": 1}
