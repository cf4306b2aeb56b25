"""How thorough the tests are: `make test` takes a sample of what is long, `make thorough` all of it.

Long is what simulates, races or searches: its whole is for whoever changes that code, and for a night.
"""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("THOROUGH"))


def effort(sample: int, whole: int) -> int:
    """How many cases a test looks at."""
    return whole if THOROUGH else sample
