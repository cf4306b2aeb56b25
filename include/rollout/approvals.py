"""Persons and a rollout: they are asked, they say yes or no, or the deadline passes.

All ways to answer (Airflow's page and its API, the console, the command line) end in `decide`, one transaction: the event of
the rollout, the row of the audit and, for a no, the way back. What opens a stage is not in here: approval_gate.py. Who waits for
whom, and who said what: approval_list.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore, rollout_events
from include.core.digest import digest_json
from include.core.errors import ConflictError, DataError, NotAllowedError
from include.core.request import Json
from include.core.time import now, timestamp
from include.rollout.approval_gate import Said, Standing, require_approved_in, said_in, standing_of
from include.rollout.approval_list import approval as approval
from include.rollout.approval_list import approvals_of as approvals_of
from include.rollout.approval_list import waiting_approvals as waiting_approvals
from include.rollout.approval_list import why_nobody_in
from include.rollout.history import Rollout, event_in, event_key, live_in, rollout_in
from include.rollout.machine import require_running, require_verdict, revert_route
from include.rollout_state.approval import Person
from include.versions.override import LONGEST

REFUSED = "approval.refused"  # the audit's word for an answer that does not count


@dataclass(frozen=True)
class Answer:
    """A person's yes or no.

    :param by: who says it; whoever hands it on has seen to it that it is them: Airflow has logged them in
    :param seen: the digest of what they were shown (`Standing.seen`)
    :param via: where they said it: airflow, console, command line
    :param request: of the answer, where there is one: repeating it changes nothing
    """

    approve: bool
    by: Person
    reason: str
    seen: str
    via: str
    request: str = ""


@dataclass(frozen=True)
class Decided:
    """What an answer has done. `missing`: persons who have yet to approve. `repeated`: it was known, and nothing changed."""

    model: str
    version: int
    rollout: str
    approved: bool
    missing: int
    repeated: bool = False

    def to_json(self) -> dict[str, Json]:
        return dict(vars(self))


def ask(control: ControlStore, rollout: Rollout, epoch: int, where: Mapping[str, Json] | None = None) -> Standing | None:
    """Ask persons to open the gate of a rollout that stands before it; asked once, the deadline runs from then. Returns where
    its approval stands; None where nobody is to be asked. `where`: the task in which Airflow asks.

    Raises GateClosed while the stage before the gate has not passed.
    """
    if rollout.approval is None:
        return None

    def effect(connection: sa.Connection) -> dict[str, Json]:
        require_running(connection, rollout, even_paused=True)
        standing = _standing(connection, rollout)
        names = [stage.name for stage in rollout.stages]
        position = names.index(standing.gate) if standing.gate in names else len(names)
        if position:
            require_verdict(connection, rollout, names[position - 1])
        told = {"gate": standing.gate, "seen": standing.seen, "trained_by": standing.trained_by, "where": dict(where or {})}
        write_event(connection, rollout_in(connection, rollout.id), "asked", standing.gate, told)
        detail = {"rollout": rollout.id, "version": rollout.challenger, "gate": standing.gate, "words": standing.terms.words}
        control.append_audit(connection, "approval", "approval.ask", rollout.model, {**detail, "seen": standing.seen})
        return {}

    control.once(event_key(rollout.id, "ask"), rollout.resource, epoch, effect)
    with control.transaction() as connection:
        return standing_of(connection, rollout_in(connection, rollout.id))


def decide(control: ControlStore, model: str, version: int, answer: Answer) -> Decided:
    """Write down a person's yes or no to the live rollout of a version, in one transaction; a no takes its traffic back.

    Raises NotAllowedError for a person who may not decide it, and for a second yes of the same one, ConflictError where there is
    nothing to decide, after the deadline, and for a version that has changed since it was shown; DataError without a reason.
    """
    event = "approved" if answer.approve else "rejected"
    said = Said(event, answer.by, checked(answer.reason), timestamp(), answer.seen, answer.via, answer.request)
    try:
        fault.point("approval.decide")
        with control.transaction() as connection:
            rollout = _asked_of(connection, model, version)
            known = _repeated(connection, rollout, said)
            if known is None:
                known = _decide(control, connection, rollout, said)
            fault.point("approval.decided")
    except NotAllowedError as refused:
        _note_refused(control, model, version, said, refused)
        raise
    fault.point("approval.committed")
    return known


def expire(control: ControlStore, rollout: Rollout, epoch: int, at: datetime | None = None) -> bool:
    """Roll back where the deadline has passed without those who were asked, and the terms say so. Whether it was rolled back."""

    def effect(connection: sa.Connection) -> dict[str, Json]:
        require_running(connection, rollout, even_paused=True)
        standing = _standing(connection, rollout)
        late = standing.is_over(at or now()) and standing.terms.at_deadline == "roll_back"
        if not late:
            raise ConflictError(f"The deadline of {rollout.model} has not passed.", seen=standing.until, safe="nothing changed.")
        reason = f"not approved within {standing.terms.deadline}: it had {len(standing.approvals)} of {standing.terms.persons}"
        write_event(connection, rollout_in(connection, rollout.id), "overdue", "", {"reason": reason})
        revert_route(control, connection, rollout, reason, "approval")
        return {}

    with control.transaction() as connection:
        found = standing_of(connection, rollout_in(connection, rollout.id))
    if found is None or not found.is_over(at or now()) or found.terms.at_deadline != "roll_back":
        return False
    control.once(event_key(rollout.id, "overdue"), rollout.resource, epoch, effect)
    return True


def require_approved(control: ControlStore, rollout: Rollout) -> Standing | None:
    """Raises ApprovalMissing while persons who are asked have not let it on, GateClosed where it ended without them.

    A rollout that is promoted has been let on, however late a task asks.
    """
    with control.transaction() as connection:
        current = rollout_in(connection, rollout.id)
        if current.state == "promoted":
            return standing_of(connection, current)
        require_running(connection, rollout)
        return require_approved_in(connection, rollout, None)


def checked(reason: str) -> str:
    """The reason, without white space around it. Raises DataError where it says nothing, or is too long."""
    words = reason.strip()
    if any(letter.isalnum() for letter in words) and len(words) <= LONGEST:
        return words
    raise DataError(
        f"A decision needs a reason, of at most {LONGEST:,} characters: it stands beside the version from now on.",
        seen=f"{len(words):,} characters",
        safe="nothing was decided.",
        hint='--reason "what you looked at, and why".',
    )


def _asked_of(connection: sa.Connection, model: str, version: int) -> Rollout:
    """The live rollout of a version in which persons were asked, which nobody else changes until the transaction ends."""
    rollout = live_in(connection, model)
    if rollout is None or rollout.challenger != version:
        raise ConflictError(
            f"Nobody is asked about version {version} of {model}: {why_nobody_in(connection, model, version)}.",
            safe="nothing was decided.",
            hint=f"slipstream rollout status {model}",
        )
    require_running(connection, rollout, even_paused=True)
    if rollout.approval is None or event_in(connection, rollout.id, "asked", _standing(connection, rollout).gate) is None:
        what = "asks nobody" if rollout.approval is None else f"is in {rollout.stage}, and asks later"
        raise ConflictError(
            f"Version {version} of {model} waits for nobody: its rollout {what}.", safe="nothing was decided.",
            hint=f"slipstream rollout status {model}; to end it: slipstream rollout abort {model}.",
        )  # fmt: skip
    return rollout


def _repeated(connection: sa.Connection, rollout: Rollout, said: Said) -> Decided | None:
    """The same answer once more, by whoever was killed before hearing of it."""
    for known in said_in(connection, rollout.id) if said.request else ():
        if known.request == said.request and known.person.keys & said.person.keys and known.event == said.event:
            missing = _standing(connection, rollout).missing
            return Decided(rollout.model, rollout.challenger, rollout.id, said.event == "approved", missing, repeated=True)
    return None


def _decide(control: ControlStore, connection: sa.Connection, rollout: Rollout, said: Said) -> Decided:
    standing = _standing(connection, rollout)
    _require_allowed(standing, said)
    if said.event == "approved":
        _require_open(standing, said)
    name = digest_json(sorted(said.person.keys))[:12]
    stage = rollout_in(connection, rollout.id)
    told = {"by": {"id": said.person.id, "name": said.person.name}, "reason": said.reason, "seen": said.seen, "via": said.via}
    write_event(
        connection, stage, said.event, f"{name}:{said.seen[:12]}", {**told, "request": said.request, "gate": standing.gate}
    )
    detail: dict[str, Any] = {"rollout": rollout.id, "version": rollout.challenger, "gate": standing.gate, **told}
    action = "approval.approve" if said.event == "approved" else "approval.reject"
    control.append_audit(connection, said.person.actor, action, rollout.model, detail)
    if said.event == "rejected":
        revert_route(control, connection, rollout, f"rejected by {said.person.name}: {said.reason}", said.person.actor)
        return Decided(rollout.model, rollout.challenger, rollout.id, False, 0)
    return Decided(rollout.model, rollout.challenger, rollout.id, True, standing.missing - 1)


def _require_allowed(standing: Standing, said: Said) -> None:
    """Raises NotAllowedError. Whoever may not say yes because they trained it may say no."""
    person, rollout = said.person, standing.rollout
    about = f"version {rollout.challenger} of {rollout.model}"
    if not person.keys:
        raise NotAllowedError("An answer of nobody does not count.", safe="nothing was decided.", hint="log in to Airflow.")
    if not standing.terms.allows(person):
        role = f"the role {standing.terms.role!r}" if standing.terms.role else "that right"
        raise NotAllowedError(
            f"{person.name} may not decide about {about}: it takes {role}.",
            seen=list(standing.terms.users),
            safe="nothing was decided.",
            hint="one of those listed answers.",
        )
    if said.event == "approved" and standing.trainers & person.keys:
        raise NotAllowedError(
            f"{person.name} triggered the training of {about}, so somebody else has to approve it.",
            safe="nothing was decided.",
            hint="ask a colleague.",
        )


def _require_open(standing: Standing, said: Said) -> None:
    """Raises ConflictError where a yes of this person would not count."""
    rollout, about = standing.rollout, f"version {standing.rollout.challenger} of {standing.rollout.model}"
    mine = [each for each in standing.approvals if each.person.keys & said.person.keys]
    if mine:
        more = f"{standing.missing} more must, and another person" if standing.missing else "nobody else must"
        raise NotAllowedError(
            f"{said.person.name} has approved {about} already, at {mine[0].at[:19]}: {more}.", safe="that approval stands."
        )
    if not standing.missing:
        raise ConflictError(f"{about.capitalize()} is {standing.words}: it takes no more.", safe="nothing was changed.")
    if standing.is_over(now()) and standing.terms.at_deadline == "roll_back":
        raise ConflictError(
            f"The deadline for {about} has passed: it was {standing.until[:16]} UTC.",
            safe="nothing was decided: it is rolled back.",
            hint=f'slipstream restore {rollout.model} {rollout.challenger} --reason "..." offers it again.',
        )
    if said.seen != standing.seen:
        raise ConflictError(
            f"{about.capitalize()} {_what_changed(standing)}.",
            seen=said.seen[:12] or "nothing",
            safe="nothing was decided.",
            hint=f"look again: slipstream rollout status {rollout.model}; then answer for {standing.seen[:12]}.",
        )


def _what_changed(standing: Standing) -> str:
    if standing.doubts:
        doubt = standing.doubts[-1]
        return f"is not as it was shown: since {doubt.at[:16]} UTC the judge doubts {doubt.stage}, {doubt.words}"
    return "has changed since it was shown: it was evaluated again, or its gate has moved"


def _note_refused(control: ControlStore, model: str, version: int, said: Said, refused: NotAllowedError) -> None:
    with control.transaction() as connection:
        detail = {"version": version, "answer": said.event, "reason": said.reason, "via": said.via, "why": refused.what}
        control.append_audit(connection, said.person.actor, REFUSED, model, detail)


def _standing(connection: sa.Connection, rollout: Rollout) -> Standing:
    standing = standing_of(connection, rollout)
    assert standing is not None
    return standing


def write_event(connection: sa.Connection, rollout: Rollout, event: str, name: str, evidence: Mapping[str, Any]) -> None:
    """`name`: what tells it from others of its kind in the rollout."""
    row = {"rollout": rollout.id, "stage": rollout.stage, "event": event, "evidence": dict(evidence), "at": timestamp()}
    connection.execute(rollout_events.insert().values(key=event_key(rollout.id, event, name), **row))
