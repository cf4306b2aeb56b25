"""A person's word against a closed gate: who, when and why. Read from the audit chain, where it is one row and sealed.

An override is of one offer: once the rollout that follows has ended, or the version was evaluated again and refused again,
the next one takes another. What was said stays known of the version for good.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from include.core.acts import Act, acts_in
from include.core.errors import DataError
from include.versions.gate import OFFERED, RETURNED

LONGEST = 2000  # characters of a reason: it is shown on pages, tags and tables


@dataclass(frozen=True)
class Override:
    """`despite`: what stood against the version, in the gate's words. `at`: UTC, ISO 8601."""

    actor: str
    reason: str
    at: str
    despite: tuple[str, ...]

    @property
    def words(self) -> str:
        """On one line."""
        return f"opened by hand by {self.actor}, {self.at[:16]}: {' '.join(self.reason.split())}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "despite": list(self.despite)}


def overrides_in(connection: sa.Connection, model: str) -> dict[int, Override]:
    """By version: the newest override of each that was ever brought on against its gate; inside a transaction."""
    found: dict[int, Override] = {}
    for act in acts_in(connection, model, (OFFERED, RETURNED)):
        if act.detail.get("despite"):
            found[_version(act)] = Override(act.actor, str(act.detail["reason"]), act.at, tuple(act.detail["despite"]))
    return found


def checked_reason(reason: str, model: str, version: int) -> str:
    """The reason for an override, without white space around it. Raises DataError where it says nothing, or is too long."""
    words = reason.strip()
    if not any(letter.isalnum() for letter in words):
        raise DataError(
            f"Opening the gate of version {version} of {model} by hand needs a reason: it stands beside the version from now on.",
            seen=reason,
            safe="nothing was changed: the gate stays closed.",
            hint=f'slipstream gate open {model} {version} --reason "why it may go on all the same".',
        )
    if len(words) > LONGEST:
        raise DataError(
            f"A reason has at most {LONGEST:,} characters.", seen=f"{len(words):,} characters", safe="nothing was changed.",
            hint="say it shorter, and where the rest can be read.",
        )  # fmt: skip
    return words


def _version(act: Act) -> int:
    return int(act.detail["version"] if act.action == OFFERED else act.detail["to"])
