"""How thorough the tests are: `make test` takes a sample of what is long, `make thorough` all of it.

Long is what simulates, races or searches: its whole is for whoever changes that code, and for a night.

`make test-unit`, which is for the moment in which one writes, takes none of that, and no test that starts a server or lives a
model's life task by task.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

THOROUGH = bool(os.environ.get("THOROUGH"))
LIVES = "lives"  # the marker of the tests that make test-unit leaves to make test
# What a test asks for when it starts a server, or lives a life: it has the marker by that.
STARTED = {
    "postgres", "redis_url", "dynamodb_address", "s3_address", "s3_client", "site",
    "life", "nursery", "desk", "worked_at", "parcels", "taken_in",
}  # fmt: skip


def effort(sample: int, whole: int) -> int:
    """How many cases a test looks at."""
    return whole if THOROUGH else sample


def is_lived(fixtures: Iterable[str], parameters: Mapping[str, Any]) -> bool:
    """Whether a test with these fixtures, and these values of parameters, starts a server or lives a life."""
    return not STARTED.isdisjoint(fixtures) or "postgresql" in (each for each in parameters.values() if isinstance(each, str))
