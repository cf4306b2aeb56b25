"""`slipstream restore`: the way back for a version that left: offered again, or in production at once.

*Offered again* it is a Candidate, and a rollout by hand brings it in step by step. *Now* is for an emergency: a version that
has been in production before gets all traffic in one transaction, as a rollback gives it to the champion before.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError, IntegrityError
from include.core.ledger import Ledger
from include.core.request import Json, Ref
from include.core.spec import ModelSpec
from include.rollout.approval_gate import require_return_in
from include.rollout.history import live_in
from include.rollout.machine import revert_route
from include.rollout.offer import offer_in, require_gate, served_in
from include.rollout.rollback import RolledBack
from include.rollout_state.approval import standing_in, terms_in
from include.routing.route import Route, read_route, route_in, set_route
from include.versions.gate import RETURNED
from include.versions.given_up import require_kept_in
from include.versions.lifecycle import Stage, set_production, stage_in
from include.versions.override import checked_reason
from include.versions.queries import stored


@dataclass(frozen=True)
class Restored:
    """A version that may be rolled out again. `before`: its stage until now; Candidate where nothing was to be done."""

    model: str
    version: int
    before: str


def restore(
    control: ControlStore, ledger: Ledger, model: str, version: int, *, actor: str, reason: str, despite_gate: bool = False
) -> Restored:
    """Offer the version again: it becomes a Candidate, and no traffic moves. Doing it again changes nothing.

    Takes no fence: a rollout that is live goes on. Raises GateClosed where its gate is closed and `despite_gate` is not said,
    ConflictError for the champion, DataError for an unknown version, IntegrityError if its files are damaged.
    """
    check_files(control, ledger, model, version)
    with control.transaction() as connection:
        before = offer_in(control, connection, model, version, actor=actor, reason=reason, despite_gate=despite_gate)
    return Restored(model, version, str(before))


def restore_now(
    control: ControlStore,
    ledger: Ledger,
    model: str,
    version: int,
    *,
    actor: str,
    reason: str,
    despite_gate: bool = False,
    spec: ModelSpec | None = None,
) -> RolledBack:
    """Return all traffic to a version that has been in production. Ends the live rollout, fences off whoever drives it.

    Like a rollback it leaves no way back to the version that is left: that one is restored by its number. Raises what
    `restore` does, ConflictError for a version that never was in production, and GateClosed where the spec, or the rollouts so
    far, ask persons before production and they have not let it in.
    """
    check_files(control, ledger, model, version)
    epoch = control.take(f"rollout/{model}", actor)
    generation, _ = read_route(control, model)

    def effect(connection: sa.Connection) -> dict[str, Json]:
        _, route = route_in(connection, model)
        against = _require_return(connection, model, version, route, despite_gate)
        terms = terms_in(connection, spec) if spec is not None else standing_in(connection, model)
        require_return_in(connection, model, version, route, terms)
        if against:
            checked_reason(reason, model, version)
        ended = _end_live(control, connection, model, reason, actor)
        new = set_route(connection, model, Route(champion=version))
        set_production(connection, model, version)
        detail: dict[str, Json] = {"reason": reason, "from": route.champion, "to": version, "generation": new}
        control.append_audit(connection, actor, RETURNED, model, {**detail, "ended": ended, "despite": list(against)})
        return detail

    result, _ = control.once(f"restore:{model}:{version}:{generation}", f"rollout/{model}", epoch, effect)
    return RolledBack(model, result["from"], result["to"], result["generation"])


def check_files(control: ControlStore, ledger: Ledger, model: str, version: int) -> None:
    """Raises IntegrityError if the version's files are not in the ledger as they were, DataError for an unknown version, and for
    one that was given up."""
    with control.transaction() as connection:
        stage_in(connection, model, version)
        require_kept_in(connection, model, version)
    record = stored(control, model, version)
    if "train" not in record:
        return
    try:
        broken = ledger.verify(ledger.resolve(Ref.from_json(record["train"])))
    except (DataError, IntegrityError) as gone:
        broken = [gone.what]
    if broken:
        raise IntegrityError(
            f"The files of version {version} of {model} are not what they were.",
            seen=broken,
            safe="nothing was changed: the traffic stays where it is.",
            hint=f"`slipstream trace {model} --version {version}` shows what is missing: bring it back from a backup.",
        )


def _end_live(control: ControlStore, connection: sa.Connection, model: str, reason: str, actor: str) -> str | None:
    """End the model's live rollout; returns its id, if there was one."""
    rollout = live_in(connection, model)
    if rollout is not None:
        revert_route(control, connection, rollout, reason, actor)
    return rollout.id if rollout else None


def _require_return(connection: sa.Connection, model: str, version: int, route: Route, despite_gate: bool) -> tuple[str, ...]:
    """What stands against the version's return. Raises where it may not return."""
    stage = stage_in(connection, model, version)
    require_kept_in(connection, model, version)
    if route.champion == version:
        raise ConflictError(f"Version {version} of {model} is the champion already.", safe="nothing changed.")
    if stage is Stage.STAGING or version not in served_in(connection, model):
        raise ConflictError(
            f"Version {version} of {model} has never been in production: it cannot return there at once.",
            seen=str(stage),
            safe="nothing changed.",
            hint=f'slipstream restore {model} {version} --reason "..." offers it again; a rollout then brings it in.',
        )
    return require_gate(connection, model, version, stage, despite_gate)
