"""The rollout as a state machine in the control store: it resumes where it was, whoever was killed.

Every transition is one transaction with an idempotency key and a fencing epoch of `rollout/{model}`:
doing it again changes nothing, a late attempt is refused, and the route the gateway serves changes in
the same transaction as the state that explains it. A stage opens only on the recorded verdict `promote`
of the one before it: a gate that nobody wired stays closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_events, rollouts
from include.core.errors import ConflictError, DataError, GateClosed, PausedError
from include.core.spec import ModelSpec
from include.core.time import timestamp
from include.experiment_state.queries import require_none_in
from include.rollout.approval_gate import require_approved_in
from include.rollout.driver import adopt
from include.rollout.evidence_store import delete_evidence
from include.rollout.history import Rollout, event_in, event_key, opening_key, read_rollout, rollout_id_of, rollout_in
from include.rollout.offer import offer_in, require_gate
from include.rollout.plan import RolloutStage, rollout_stages
from include.rollout.waiting import supersede_in
from include.rollout_state.approval import stored, terms_in, terms_of
from include.routing.route import Route, lock_route, route_in, set_route
from include.versions.given_up import require_kept_in
from include.versions.lifecycle import Stage as VersionStage
from include.versions.lifecycle import move_in, stage_in
from include.versions.lifecycle import set_production as set_production

ACTOR = 255  # characters of an actor in the audit
Effect = Callable[[sa.Connection], dict[str, Any]]


def open_rollout(
    control: ControlStore,
    spec: ModelSpec,
    challenger: int,
    *,
    request: str,
    actor: str,
    epoch: int,
    by_hand: bool = False,
    override: str = "",
) -> Rollout:
    """The rollout that `request` asks for. Opens it, or returns the one it has opened before.

    A live rollout of the same challenger is returned too. `by_hand`: a person named the version, so one that is Archived is
    offered again, if its gate is open. `override`: the person's reason to roll it out although its gate is closed; it is
    audited in the same transaction, once for each request. Raises ConflictError while another challenger is live, or if the
    version is the champion already, GateClosed if it may not be rolled out.
    """
    model, stages = spec.name, rollout_stages(spec)
    rollout_id = rollout_id_of(model, challenger, request)

    def effect(connection: sa.Connection) -> dict[str, Any]:
        live = connection.execute(sa.select(rollouts).where(rollouts.c.live == model)).first()
        if live is not None and live.challenger == challenger:
            adopt(connection, live.id, request)  # its run drives the rollout, too
            return {"id": live.id}
        if live is not None:
            raise _busy(model, live.id, live.challenger, live.stage)
        if override or (by_hand and stage_in(connection, model, challenger) is VersionStage.ARCHIVED):
            reason, despite = override or "its rollout by hand", bool(override)
            offer_in(control, connection, model, challenger, actor=actor, reason=reason, despite_gate=despite)
        lock_route(connection, model)
        require_none_in(connection, model)
        champion = _admit(connection, model, challenger)
        wished, terms = terms_of(spec), terms_in(connection, spec)
        _insert(connection, rollout_id, model, challenger, champion)
        told = {"stages": [stage.to_json() for stage in stages], "request": request, **stored(terms, wished)}
        _event(connection, rollout_id, "opened", "", told)
        detail = {"rollout": rollout_id, "challenger": challenger, "champion": champion}
        if terms is not None:
            detail["approval"] = terms.words
        control.append_audit(connection, actor, "rollout.open", model, detail)
        return {"id": rollout_id}

    result, _ = control.once(opening_key(model, challenger, request), f"rollout/{model}", epoch, effect)
    return read_rollout(control, result["id"])


def enter_stage(control: ControlStore, rollout: Rollout, name: str, epoch: int) -> int:
    """Set the stage's route; returns its generation, which the gateway should be seen to apply.

    Raises ApprovalMissing for a stage that persons have to open first.
    """
    stage = rollout.find(name)

    def effect(connection: sa.Connection) -> dict[str, Any]:
        require_running(connection, rollout)
        _require_passed(connection, rollout, stage)
        require_approved_in(connection, rollout, stage)
        _, current = route_in(connection, rollout.model)
        route = stage.route(rollout.champion, rollout.challenger, current.previous)
        generation = set_route(connection, rollout.model, route)
        _update(connection, rollout, stage=name)
        _event(connection, rollout.id, "entered", name, {"generation": generation, "route": route.to_json()})
        return {"generation": generation}

    result, _ = control.once(event_key(rollout.id, "enter", name), rollout.resource, epoch, effect)
    return int(result["generation"])


def record_verdict(control: ControlStore, rollout: Rollout, stage: str, decision: Mapping[str, Any], epoch: int) -> str:
    """Store a final decision with its evidence; `decision["answer"]` is promote or roll_back.

    The first decision on a stage stands, and its answer is returned. roll_back takes the traffic back in
    the same transaction.
    """
    answer = decision["answer"]
    if answer not in ("promote", "roll_back"):
        raise DataError("Only a final verdict is recorded.", seen=answer, hint="look again once there is more evidence.")

    def effect(connection: sa.Connection) -> dict[str, Any]:
        require_running(connection, rollout, even_paused=answer == "roll_back")
        _event(connection, rollout.id, "verdict", stage, dict(decision))
        if answer == "roll_back":
            revert_route(control, connection, rollout, "; ".join(decision.get("reasons", ())) or f"{stage} failed", "judge")
        return {"answer": answer}

    result, _ = control.once(event_key(rollout.id, "decide", stage), rollout.resource, epoch, effect)
    return str(result["answer"])


def promote(control: ControlStore, rollout: Rollout, *, actor: str, epoch: int) -> int:
    """Make the challenger the champion, and remember the old one as the way back. Returns the generation.

    Older candidates that never had their turn are superseded in the same transaction. Where persons had to approve it, they are
    who promotes it, in the audit and in the event, and `actor` is who carried it out.
    """

    def effect(connection: sa.Connection) -> dict[str, Any]:
        require_running(connection, rollout)
        require_verdict(connection, rollout, rollout.stages[-1].name)
        approved = require_approved_in(connection, rollout, None)
        persons = [said.person for said in approved.approvals] if approved is not None else []
        by = {"by": [person.name for person in persons], "carried_out_by": actor} if persons else {}
        route = Route(champion=rollout.challenger, previous=rollout.champion)
        require_kept_in(connection, rollout.model, *route.named)
        generation = set_route(connection, rollout.model, route)
        set_production(connection, rollout.model, rollout.challenger)
        _update(connection, rollout, stage="promote", state="promoted", live=None)
        delete_evidence(connection, rollout.id)
        _event(connection, rollout.id, "promoted", "promote", {"generation": generation, "route": route.to_json(), **by})
        detail = {"rollout": rollout.id, "champion": rollout.challenger, "previous": rollout.champion, **by}
        promoted_by = ", ".join(person.actor for person in persons)[:ACTOR] or actor
        control.append_audit(connection, promoted_by, "rollout.promote", rollout.model, detail)
        supersede_in(connection, control, rollout.model, rollout.challenger, actor)
        return {"generation": generation}

    result, _ = control.once(event_key(rollout.id, "promote"), rollout.resource, epoch, effect)
    return int(result["generation"])


def roll_back(control: ControlStore, rollout: Rollout, *, reason: str, actor: str, epoch: int) -> int:
    """All traffic back on the champion. Returns the route's generation; a second call changes nothing."""

    def effect(connection: sa.Connection) -> dict[str, Any]:
        if rollout_in(connection, rollout.id).state == "rolled_back":
            return {"generation": route_in(connection, rollout.model)[0]}
        require_running(connection, rollout, even_paused=True)
        return {"generation": revert_route(control, connection, rollout, reason, actor)}

    result, _ = control.once(event_key(rollout.id, "roll_back"), rollout.resource, epoch, effect)
    return int(result["generation"])


def _admit(connection: sa.Connection, model: str, challenger: int) -> int | None:
    """The present champion, after checking that the challenger is another version and its gate is open."""
    champion = route_in(connection, model)[1].champion
    if champion == challenger:
        raise ConflictError(f"Version {challenger} of {model} is the champion already.", safe="nothing changed.")
    stage = stage_in(connection, model, challenger)
    require_kept_in(connection, model, challenger)
    if stage is not VersionStage.CANDIDATE:
        require_gate(connection, model, challenger, stage, despite_gate=False)
        raise GateClosed(
            f"Version {challenger} of {model} is no Candidate, so it may not be rolled out.",
            seen=str(stage),
            safe="the traffic stays where it is.",
            hint=f'it had its turn; a person offers it again: slipstream restore {model} {challenger} --reason "...".',
        )
    return champion


def _insert(connection: sa.Connection, rollout_id: str, model: str, challenger: int, champion: int | None) -> None:
    at = timestamp()
    row = {"id": rollout_id, "model": model, "live": model, "challenger": challenger, "champion": champion}
    try:
        with connection.begin_nested():
            connection.execute(rollouts.insert().values(stage="opened", state="running", created_at=at, updated_at=at, **row))
    except sa.exc.IntegrityError as error:  # PostgreSQL: another transaction was first by a hair
        raise _busy(model, "just opened", None, "opened") from error


def _busy(model: str, rollout_id: str, challenger: int | None, stage: str) -> ConflictError:
    return ConflictError(
        f"{model} has a live rollout: {rollout_id}, challenger {challenger}, in {stage}.",
        safe="nothing changed.",
        hint=f"wait for it, or `slipstream rollback {model}`.",
    )


def record_alert(control: ControlStore, rollout: Rollout, stage: str, decision: Mapping[str, Any], epoch: int) -> None:
    """Remember that somebody was paged for the stage: both arms are beyond the service's objective."""

    def effect(connection: sa.Connection) -> dict[str, Any]:
        _event(connection, rollout.id, "alert", stage, dict(decision))
        detail = {"rollout": rollout.id, "stage": stage, "reasons": list(decision.get("reasons", ()))}
        control.append_audit(connection, "judge", "rollout.alert", rollout.model, detail)
        return {}

    control.once(event_key(rollout.id, "page", stage), rollout.resource, epoch, effect)


def require_running(connection: sa.Connection, rollout: Rollout, *, even_paused: bool = False) -> None:
    """A pause lets nothing go forward; it never holds back a rollback."""
    if connection.dialect.name == "postgresql":  # a pause at the same moment comes before this transaction or after it
        connection.execute(sa.select(rollouts.c.id).where(rollouts.c.id == rollout.id).with_for_update())
    current = rollout_in(connection, rollout.id)
    if current.state == "paused" and not even_paused:
        raise PausedError(
            f"Rollout {rollout.id} of {rollout.model} is paused: {current.reason}.",
            safe=f"the traffic stays as it is in {current.stage}.",
            hint=f"slipstream rollout resume {rollout.model}",
        )
    if not current.live:
        raise GateClosed(
            f"Rollout {rollout.id} of {rollout.model} version {rollout.challenger} is over: {current.state}.",
            seen=current.reason or None,
            safe=f"the route of {rollout.model} stays as it is.",
            hint="open a new rollout once the reason is dealt with.",
        )


def _require_passed(connection: sa.Connection, rollout: Rollout, stage: RolloutStage) -> None:
    position = rollout.stages.index(stage)
    if position:
        require_verdict(connection, rollout, rollout.stages[position - 1].name)


def require_verdict(connection: sa.Connection, rollout: Rollout, stage: str) -> None:
    event = event_in(connection, rollout.id, "verdict", stage)
    if event is None or event["evidence"]["answer"] != "promote":
        raise GateClosed(
            f"Rollout {rollout.id} has no verdict `promote` for {stage}.",
            seen=event and event["evidence"]["answer"],
            safe="the traffic stays where it is.",
            hint=f"run {stage} first.",
        )


def revert_route(control: ControlStore, connection: sa.Connection, rollout: Rollout, reason: str, actor: str) -> int:
    """End a live rollout in the caller's transaction: all traffic on its champion. Returns the route's generation."""
    _, current = route_in(connection, rollout.model)
    route = Route(champion=rollout.champion, previous=current.previous)
    generation = set_route(connection, rollout.model, route)
    move_in(connection, rollout.model, rollout.challenger, VersionStage.ARCHIVED)
    stage = rollout_in(connection, rollout.id).stage
    _update(connection, rollout, state="rolled_back", live=None, reason=reason)
    delete_evidence(connection, rollout.id)
    detail = {"reason": reason, "generation": generation, "route": route.to_json()}
    _event(connection, rollout.id, "rolled_back", stage, detail, once=True)
    control.append_audit(connection, actor, "rollout.roll_back", rollout.model, {"rollout": rollout.id, **detail})
    return generation


def _update(connection: sa.Connection, rollout: Rollout, **values: str | None) -> None:
    connection.execute(rollouts.update().where(rollouts.c.id == rollout.id).values(updated_at=timestamp(), **values))


def _event(
    connection: sa.Connection, rollout_id: str, event: str, stage: str, evidence: dict[str, Any], *, once: bool = False
) -> None:
    """`once`: the rollout has one such event, whatever the stage."""
    single = once or event in ("opened", "promoted")
    key = event_key(rollout_id, event, "" if single else stage)
    row = {"rollout": rollout_id, "stage": stage or "opened", "event": event, "evidence": evidence, "at": timestamp()}
    connection.execute(rollout_events.insert().values(key=key, **row))
