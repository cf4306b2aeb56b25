"""The hash of an entity: what traffic is split by, and what is counted once per entity."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

BUCKETS = 10_000
SEPARATOR = "\x1f"  # between the keys of an entity: a character that no key may hold


def entity_id(keys: Iterable[str]) -> str:
    """One text of an entity's keys, in the spec's order."""
    return SEPARATOR.join(keys)


def unit(entity_id: str, model: str) -> int:
    """A stable 64-bit hash of an entity: the unit of randomisation, and of counting.

    The model is part of it, so an unlucky entity is not in every model's canary.
    """
    return int.from_bytes(blake2b(f"{model}\x1f{entity_id}".encode(), digest_size=8).digest())


def bucket(entity_id: str, model: str) -> int:
    """0 to 9999, the same for ever. A weight of w percent is the buckets below 100 w: raising it moves nobody back."""
    return unit(entity_id, model) % BUCKETS
