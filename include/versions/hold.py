"""A hold: a person keeps a version, whatever the rule of its model says, until a person lets it go again (`slipstream hold`).

It stands in the audit chain, where it is one row with a name and a reason, and sealed; a version's newest row says how it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa

from include.core.acts import acts_in
from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError
from include.core.json_types import Json
from include.versions.given_up import lock_in, require_kept_in
from include.versions.override import LONGEST
from include.versions.queries import at_version

HELD, RELEASED = "version.hold", "version.release"  # the audit's words; their detail names the version


@dataclass(frozen=True)
class Hold:
    """`at`: UTC, ISO 8601."""

    actor: str
    reason: str
    at: str

    @property
    def words(self) -> str:
        """On one line."""
        return f"held by {self.actor} since {self.at[:10]}: {' '.join(self.reason.split())}"

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self)}


def holds_in(connection: sa.Connection, model: str) -> dict[int, Hold]:
    """By number: the versions that are held now."""
    found: dict[int, Hold] = {}
    for act in acts_in(connection, model, (HELD, RELEASED)):
        version = int(act.detail["version"])
        found.pop(version, None)
        if act.action == HELD:
            found[version] = Hold(act.actor, str(act.detail["reason"]), act.at)
    return found


def holds(control: ControlStore, model: str) -> dict[int, Hold]:
    with control.transaction() as connection:
        return holds_in(connection, model)


def hold(control: ControlStore, model: str, version: int, *, actor: str, reason: str) -> Hold:
    """Keep it from now on; where it is held already, the new reason stands beside the old one in the audit.

    Raises DataError for an unknown version, one that was given up, or a reason that says nothing.
    """
    with control.transaction() as connection:
        at_version(connection, model, version)
        words = _checked(reason, model, version)
        require_kept_in(connection, model, version)
        control.append_audit(connection, actor, HELD, model, {"version": version, "reason": words})
        return holds_in(connection, model)[version]


def release(control: ControlStore, model: str, version: int, *, actor: str, reason: str) -> Hold:
    """Let it go: from now on the rule counts again. Returns the hold that was. Raises ConflictError where nobody holds it."""
    with control.transaction() as connection:
        at_version(connection, model, version)
        words = _checked(reason, model, version)
        lock_in(connection, model, version)
        held = holds_in(connection, model).get(version)
        if held is None:
            raise ConflictError(
                f"Nobody holds version {version} of {model}.", safe="nothing was changed.",
                hint=f"slipstream hold {model} lists those that are held.",
            )  # fmt: skip
        control.append_audit(connection, actor, RELEASED, model, {"version": version, "reason": words})
        return held


def _checked(reason: str, model: str, version: int) -> str:
    words = reason.strip()
    if not any(letter.isalnum() for letter in words) or len(words) > LONGEST:
        raise DataError(
            f"A hold needs a reason, of {LONGEST:,} characters at most.", seen=reason[:100], safe="nothing was changed.",
            hint=f'slipstream hold {model} {version} --reason "case 2026-114: the regulator asked for it".',
        )  # fmt: skip
    return words
