"""The record of a version as the container of an endpoint reads it, which has no control store to ask: a file of the root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.versioned import Format

RECORDS = Format("the record of a version on an endpoint")
KEPT = ("model", "version", "semver", "key", "as_of", "origin", "train", "training_set", "evaluation", "schema", "code", "params")


def record_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Of a version's record what its container needs. Nothing that changes while it serves: a container's name in SageMaker is a
    digest of it."""
    return {name: stored[name] for name in KEPT if name in stored}
