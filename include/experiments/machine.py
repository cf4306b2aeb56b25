"""The experiment as a state machine in the control store: it goes on where it was, whoever was killed.

Every transition is one transaction with an idempotency key and a fencing epoch of `experiment/{model}`, as of rollouts: doing it
again changes nothing, a late attempt is refused, and the route that the gateways serve changes in the same transaction as the
state that explains it. An experiment and a rollout never hold a model's traffic together: each is refused while the other does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, experiment_looks, experiments
from include.core.errors import ConflictError, GateClosed
from include.core.spec import ModelSpec
from include.core.time import timestamp
from include.experiment_state.queries import live_in as live_experiment_in
from include.experiment_state.queries import require_none_in
from include.experiments.plan import Plan
from include.experiments.record import (
    DECIDED,
    INTERRUPTED,
    RUNNING,
    STOPPED,
    ExperimentRecord,
    experiment_id_of,
    experiment_in,
    looks_in,
    read_experiment,
    resource_of,
)
from include.rollout_state.approval import standing_in, terms_in
from include.rollout_state.queries import live_in as live_rollout_in
from include.routing.entity_hash import BUCKETS
from include.routing.route import Route, lock_route, route_in, set_route
from include.routing.split import Split
from include.versions.given_up import require_kept_in
from include.versions.lifecycle import Stage, stage_in


def start_experiment(
    control: ControlStore,
    model: str,
    plan: Plan,
    treatment: int,
    *,
    request: str,
    actor: str,
    epoch: int,
    spec: ModelSpec | None = None,
) -> ExperimentRecord:
    """The experiment that `request` asks for. Starts it, or returns the one it has started before.

    A live one of the same name and version is returned, too. Raises ConflictError while another experiment or a rollout holds
    the traffic, or where there is no champion or the version is it; GateClosed for a version that is no Candidate, and
    where the spec, or the model's rollouts so far, ask persons before a version gets any traffic.
    """
    name = plan.experiment.name
    experiment_id = experiment_id_of(model, name, treatment, request)

    def effect(connection: sa.Connection) -> dict[str, Any]:
        lock_route(connection, model)
        live = live_experiment_in(connection, model)
        if live is not None and (live.name, live.treatment) == (name, treatment):
            return {"id": live.id}
        require_none_in(connection, model)
        _require_no_rollout(connection, model)
        _, route = route_in(connection, model)
        champion = _admit(connection, model, route, treatment)
        _require_nobody_asked(connection, model, spec)
        split = _split(experiment_id, model, plan)
        generation = set_route(connection, model, Route(champion, treatment, 0, None, route.previous, split))
        at = timestamp()
        row = {"id": experiment_id, "model": model, "name": name, "live": model, "champion": champion, "treatment": treatment}
        told = {"plan": plan.to_json(), "decision": {}, "started_at": at, "ended_at": ""}
        connection.execute(experiments.insert().values(**row, **told, state=RUNNING, answer=""))
        detail = {"experiment": experiment_id, "name": name, "treatment": treatment, "generation": generation}
        control.append_audit(connection, actor, "experiment.start", model, {**detail, "plan": plan.to_json()})
        return {"id": experiment_id}

    result, _ = control.once(f"experiment:{experiment_id}:start", resource_of(model), epoch, effect)
    return read_experiment(control, result["id"])


def record_look(
    control: ControlStore, experiment: ExperimentRecord, evidence: Mapping[str, Any], decision: Mapping[str, Any], epoch: int
) -> dict[str, Any]:
    """Keep what a look found. The first of a cutoff stands, and its decision is returned."""

    def effect(connection: sa.Connection) -> dict[str, Any]:
        _require_live(connection, experiment)
        found = {"evidence": dict(evidence), "decision": dict(decision)}
        row = {"experiment": experiment.id, "cutoff": evidence["cutoff"], "evidence": found, "at": timestamp()}
        connection.execute(experiment_looks.insert().values(**row))
        return {"answer": decision["answer"], "day": evidence["day"]}

    result, _ = control.once(f"experiment:{experiment.id}:look:{evidence['cutoff']}", experiment.resource, epoch, effect)
    return result


def conclude(control: ControlStore, experiment: ExperimentRecord, *, actor: str, epoch: int) -> dict[str, Any]:
    """End it by the decision of its last look: all traffic on the champion. Returns {"answer", "state", "generation"}.

    Raises ConflictError where its last look has decided nothing. Where it has ended already, nothing is changed.
    """

    def effect(connection: sa.Connection) -> dict[str, Any]:
        last = looks_in(connection, experiment.id)
        if not last or not last[-1].decision["answer"]:
            raise ConflictError(
                f"The experiment {experiment.name} of {experiment.model} has decided nothing yet.",
                safe="its arms stay as they are.",
                hint=f'to end it all the same: slipstream experiment stop {experiment.model} --reason "..."',
            )
        decision = {**last[-1].decision, "evidence": last[-1].evidence}
        return _end(control, connection, experiment, DECIDED, decision, actor)

    return _ended_once(control, experiment, epoch, effect)


def stop(control: ControlStore, experiment: ExperimentRecord, *, reason: str, actor: str, epoch: int) -> dict[str, Any]:
    """End it by hand. What was seen by then is kept beside the reason, and it has no answer: nothing may depend on it."""

    def effect(connection: sa.Connection) -> dict[str, Any]:
        return _end(control, connection, experiment, STOPPED, _without_answer(connection, experiment, reason), actor)

    return _ended_once(control, experiment, epoch, effect)


def interrupt(control: ControlStore, experiment: ExperimentRecord, *, epoch: int) -> dict[str, Any] | None:
    """End it where somebody moved the traffic away from its arms (a rollback, a restore); None where its arms are served."""

    def effect(connection: sa.Connection) -> dict[str, Any]:
        words = "its arms were taken from the route by a rollback or a restore"
        return _end(control, connection, experiment, INTERRUPTED, _without_answer(connection, experiment, words), "experiment")

    with control.transaction() as connection:
        served = _is_served(route_in(connection, experiment.model)[1], experiment)
        live = experiment_in(connection, experiment.id).live
    return _ended_once(control, experiment, epoch, effect) if live and not served else None


def _ended_once(control: ControlStore, experiment: ExperimentRecord, epoch: int, effect: Any) -> dict[str, Any]:
    result, _ = control.once(f"experiment:{experiment.id}:end", experiment.resource, epoch, effect)
    return result


def _end(
    control: ControlStore,
    connection: sa.Connection,
    experiment: ExperimentRecord,
    state: str,
    decision: dict[str, Any],
    actor: str,
) -> dict[str, Any]:
    lock_route(connection, experiment.model)
    generation, route = route_in(connection, experiment.model)
    if _is_served(route, experiment):
        generation = set_route(connection, experiment.model, Route(champion=route.champion, previous=route.previous))
    answer = decision["answer"]
    values = {"state": state, "answer": answer, "decision": decision, "live": None, "ended_at": timestamp()}
    connection.execute(experiments.update().where(experiments.c.id == experiment.id).values(**values))
    detail = {"experiment": experiment.id, "name": experiment.name, "answer": answer, "generation": generation}
    control.append_audit(connection, actor, f"experiment.{state}", experiment.model, {**detail, "reasons": decision["reasons"]})
    return {"answer": answer, "state": state, "generation": generation}


def _without_answer(connection: sa.Connection, experiment: ExperimentRecord, reason: str) -> dict[str, Any]:
    seen = looks_in(connection, experiment.id)
    effects = {"effects": seen[-1].decision["effects"], "evidence": seen[-1].evidence} if seen else {}
    return {"answer": "", "reasons": [reason], **effects}


def _is_served(route: Route, experiment: ExperimentRecord) -> bool:
    return route.experiment is not None and route.experiment.id == experiment.id


def _split(experiment_id: str, model: str, plan: Plan) -> Split:
    """The salt holds a character that no model's name has: it is nobody's hash but an experiment's."""
    enrolled = plan.experiment.traffic * BUCKETS // 100
    return Split(
        experiment_id, f"experiment/{model}/{plan.salt or experiment_id}", enrolled, plan.experiment.share * enrolled // 100
    )


def _require_live(connection: sa.Connection, experiment: ExperimentRecord) -> None:
    current = experiment_in(connection, experiment.id)
    if not current.live:
        raise GateClosed(
            f"The experiment {experiment.name} of {experiment.model} is over: {current.state}.",
            seen=current.answer or None,
            safe="its decision stays as it is.",
            hint=f"slipstream experiment show {experiment.model} {experiment.id}",
        )


def _require_no_rollout(connection: sa.Connection, model: str) -> None:
    if rollout := live_rollout_in(connection, model):
        raise ConflictError(
            f"{model} has a live rollout ({rollout}): it moves entities between versions while it lasts.",
            safe="nothing changed.",
            hint=f"wait for it, or `slipstream rollback {model}`; then start the experiment.",
        )


def _require_nobody_asked(connection: sa.Connection, model: str, spec: ModelSpec | None) -> None:
    """An experiment asks nobody: it gives a version traffic, and never all of it."""
    terms = terms_in(connection, spec) if spec is not None else standing_in(connection, model)
    if terms is not None and terms.before == "traffic":
        raise GateClosed(
            f"{model} asks {terms.words}: an experiment would give a version traffic that nobody has approved.",
            safe="nothing changed.",
            hint="ask before 100 percent instead (rollout.approval before='full'), or roll the version out.",
        )


def _admit(connection: sa.Connection, model: str, route: Route, treatment: int) -> int:
    """The champion, after checking that there is one and that the version is another, with an open gate."""
    if route.champion is None:
        raise ConflictError(
            f"{model} has no champion to hold version {treatment} against.",
            safe="nothing changed.",
            hint="roll a version out first.",
        )
    if route.champion == treatment:
        raise ConflictError(f"Version {treatment} of {model} is the champion itself.", safe="nothing changed.")
    stage = stage_in(connection, model, treatment)
    require_kept_in(connection, model, treatment)
    if stage is not Stage.CANDIDATE:
        raise GateClosed(
            f"Version {treatment} of {model} is no Candidate, so it may not answer anybody.",
            seen=str(stage),
            safe="the traffic stays where it is.",
            hint=f'a person offers it again: slipstream restore {model} {treatment} --reason "...".',
        )
    return route.champion
