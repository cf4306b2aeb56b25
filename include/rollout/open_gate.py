"""`slipstream gate open`: a person lets a version go on although its gate is closed, with a name and a reason.

It is an offer (include/rollout/offer.py) that has something against it: one transaction, one sealed row of the audit. It holds
for the one rollout that follows: a version that was rolled back, or was evaluated again and refused, takes another word.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.ledger import Ledger
from include.rollout.offer import offer_in
from include.rollout.restore import check_files
from include.versions.gate import obstacles
from include.versions.lifecycle import Stage, stage_in
from include.versions.override import Override, checked_reason, overrides_in


@dataclass(frozen=True)
class Opened:
    """`before`: the version's stage until now. `repeated`: it had been opened before, and nothing was changed."""

    model: str
    version: int
    before: str
    override: Override
    repeated: bool


def open_gate(control: ControlStore, ledger: Ledger, model: str, version: int, *, actor: str, reason: str) -> Opened:
    """Make the version a Candidate against its gate. Doing it again, or after a kill, changes nothing more.

    Raises DataError for an unknown version or an empty reason, ConflictError where there is nothing to open (its gate is open,
    or it is the champion), IntegrityError if its files are damaged.
    """
    check_files(control, ledger, model, version)
    words = checked_reason(reason, model, version)
    with control.transaction() as connection:
        before = stage_in(connection, model, version)
        known = overrides_in(connection, model).get(version)
        if before is Stage.CANDIDATE and known is not None:
            return Opened(model, version, str(before), known, repeated=True)
        if not obstacles(connection, model, version, before):
            raise _nothing_to_open(model, version, before)
        offer_in(control, connection, model, version, actor=actor, reason=words, despite_gate=True)
        return Opened(model, version, str(before), overrides_in(connection, model)[version], repeated=False)


def _nothing_to_open(model: str, version: int, stage: Stage) -> ConflictError:
    again = stage is Stage.ARCHIVED
    offer = f'it had its turn; offer it again: slipstream restore {model} {version} --reason "...".'
    return ConflictError(
        f"The gate of version {version} of {model} is open: there is nothing to open.",
        seen=str(stage),
        safe="nothing was changed.",
        hint=offer if again else f"roll it out: trigger {model}_rollout with version={version}.",
    )
