"""What several modules here stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.webhook import Webhook


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.stop()
