"""The gate of persons: which stage of a rollout it stands before, who has opened it so far, and what they saw.

The state machine asks it inside the transactions that move traffic (`require_approved_in`): no task and no page can open it. An
approval is of what was seen: it is bound to a digest of the version's record, of the rollout and of its terms, and does not
count for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.core.control import rollout_events
from include.core.digest import digest_json
from include.core.errors import ApprovalMissing, GateClosed
from include.core.time import instant, now
from include.rollout.history import Rollout, event_in, event_key
from include.rollout.plan import RolloutStage
from include.rollout_state.approval import Person, Terms, deciders_in
from include.routing.route import Route
from include.versions.queries import record_in
from include.versions.trainer import names_of, trainer_in

CHANGING = ("stage", "created_at", "run_id")  # of a version's record: not what a person judges


@dataclass(frozen=True)
class Said:
    """What a person has said. `at`: UTC, ISO 8601. `seen`: the digest of what they saw; `via`: where they said it."""

    event: str  # approved or rejected
    person: Person
    reason: str
    at: str
    seen: str
    via: str
    request: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "person": {"id": self.person.id, "name": self.person.name}}


@dataclass(frozen=True)
class Doubt:
    """That the judge would no longer let a stage pass which it had let pass. `name`: of the stage and the day (UTC)."""

    name: str
    stage: str
    at: str
    words: str


@dataclass(frozen=True)
class Standing:
    """Where a rollout's approval stands. Times are ISO 8601, UTC; empty before persons were asked."""

    rollout: Rollout
    terms: Terms
    gate: str  # the stage that the persons open
    seen: str  # the digest of what there is to see now
    asked_at: str
    until: str
    approvals: tuple[Said, ...]  # that count: of what there is to see now, each of another person
    changed: tuple[Said, ...]  # of what was shown before something changed
    trained_by: str | None  # "": no person; None: not known
    doubts: tuple[Doubt, ...] = ()  # oldest first

    @property
    def missing(self) -> int:
        return max(self.terms.persons - len(self.approvals), 0)

    @property
    def trainers(self) -> frozenset[str]:
        """Who triggered the training, as persons' keys are."""
        return names_of(self.trained_by)

    @property
    def waits(self) -> bool:
        """Whether persons are asked, and have not all answered."""
        return bool(self.asked_at) and self.rollout.live and self.missing > 0

    def is_over(self, at: datetime) -> bool:
        """Whether the deadline has passed without those who are asked."""
        return self.waits and at >= instant(self.until)

    def to_json(self) -> dict[str, Any]:
        rollout, names = self.rollout, ("gate", "seen", "asked_at", "until", "trained_by", "missing", "waits")
        return {
            "model": rollout.model,
            "version": rollout.challenger,
            "champion": rollout.champion,
            "rollout": rollout.id,
            "stage": rollout.stage,
            "state": rollout.state,
            "terms": self.terms.to_json(),
            "words": self.words,
            **{name: getattr(self, name) for name in names},
            "approvals": [said.to_json() for said in self.approvals],
            "changed": [said.to_json() for said in self.changed],
            "doubts": [asdict(doubt) for doubt in self.doubts],
        }

    @property
    def words(self) -> str:
        """Who is waited for, until when, on one line."""
        if not self.missing:
            return f"approved by {' and '.join(said.person.name for said in self.approvals)}"
        who = "a person" if self.missing == 1 else f"{self.missing} persons"
        role = f" of the role {self.terms.role}" if self.terms.role else ""
        names = f" ({', '.join(self.terms.users)})" if self.terms.users else ""
        given = f"; approved so far by {self.approvals[0].person.name}" if self.approvals else ""
        before = "before the judge doubted it" if self.doubts else "for what the version was before it changed"
        void = f"; {len(self.changed)} given {before}" if self.changed else ""
        late = {"roll_back": "then it is rolled back", "wait": "then somebody is called"}[self.terms.at_deadline]
        when = f", until {self.until[:16]} UTC ({late})" if self.until else ", once it stands there"
        return f"waits before {self.gate} for {who}{role}{names}{when}{given}{void}"


def gate_of(rollout: Rollout) -> str:
    """The first stage that persons must open, by the rollout's terms. Without a champion a canary's challenger answers all."""
    terms = rollout.approval
    assert terms is not None
    for stage in rollout.stages:
        everybody = stage.weight == 100 or (rollout.champion is None and stage.weight > 0)
        if everybody or (terms.before == "traffic" and stage.judged):
            return stage.name
    return "promote"


def standing_of(connection: sa.Connection, rollout: Rollout) -> Standing | None:
    """Where the rollout's approval stands now; None where nobody is asked."""
    if (terms := rollout.approval) is None:
        return None
    gate, record = gate_of(rollout), record_in(connection, rollout.model, rollout.challenger)
    doubts = doubts_in(connection, rollout.id)
    seen = digest_of(rollout, record, doubts)
    asked = event_in(connection, rollout.id, "asked", gate)
    given = [said for said in said_in(connection, rollout.id) if said.event == "approved"]
    until, trained_by = "", None
    if asked is None:
        trained_by = trainer_in(connection, rollout.model, rollout.challenger)
    else:
        trained_by = asked["evidence"]["trained_by"]  # as it was when they were asked: it never changes
        until = (instant(asked["at"]) + terms.deadline + _paused_since(connection, rollout.id, asked["at"])).isoformat()
    return Standing(
        rollout, terms, gate, seen, str(asked["at"]) if asked is not None else "", until,
        tuple(each for each in given if each.seen == seen), tuple(each for each in given if each.seen != seen),
        trained_by, doubts,
    )  # fmt: skip


def require_approved_in(connection: sa.Connection, rollout: Rollout, stage: RolloutStage | None) -> Standing | None:
    """Raises ApprovalMissing where the stage (None: the promotion) lies behind a gate that persons have not opened."""
    if rollout.approval is None:
        return None
    standing = standing_of(connection, rollout)
    assert standing is not None
    names = [each.name for each in rollout.stages]
    if stage is not None and standing.gate in names and names.index(stage.name) < names.index(standing.gate):
        return standing
    if standing.missing:
        raise ApprovalMissing(
            f"Version {rollout.challenger} of {rollout.model} {standing.words}.",
            safe="the traffic stays where it is.",
            hint="in Airflow under Required Actions, in the console, or "
            f'slipstream approve {rollout.model} {rollout.challenger} --reason "...".',
        )
    return standing


def require_return_in(connection: sa.Connection, model: str, version: int, route: Route, terms: Terms | None) -> None:
    """Raises GateClosed for a return to production (`restore --now`) that would go around the persons who are asked.

    What a rollback would return to, and a version that as many persons have let into production, may always return.
    """
    let_in = deciders_in(connection, model).get(version, ())
    if terms is None or version == route.previous or len(let_in) >= terms.persons:
        return
    raise GateClosed(
        f"Version {version} of {model} cannot return to production at once: {model} asks {terms.words}, and "
        f"{'nobody has' if not let_in else 'only ' + let_in[0] + ' has'} approved it.",
        safe="nothing was changed: the traffic stays where it is.",
        hint=f'slipstream rollback {model} returns to the version before; slipstream restore {model} {version} --reason "..." '
        "offers this one again, and its rollout asks.",
    )


def said_in(connection: sa.Connection, rollout_id: str) -> list[Said]:
    """What persons have said in a rollout, oldest first."""
    mine = sa.and_(rollout_events.c.rollout == rollout_id, rollout_events.c.event.in_(("approved", "rejected")))
    query = sa.select(rollout_events.c.event, rollout_events.c.evidence, rollout_events.c.at).where(mine)
    return [_said(row) for row in connection.execute(query.order_by(rollout_events.c.at, rollout_events.c.key)).mappings()]


def doubts_in(connection: sa.Connection, rollout_id: str) -> tuple[Doubt, ...]:
    """When the judge doubted a stage that it had let pass, oldest first."""
    mine = sa.and_(rollout_events.c.rollout == rollout_id, rollout_events.c.event == "doubted")
    query = sa.select(rollout_events.c.key, rollout_events.c.stage, rollout_events.c.at, rollout_events.c.evidence).where(mine)
    return tuple(
        Doubt(row.key.removeprefix(event_key(rollout_id, "doubted", "")).strip(":"), row.stage, row.at,
              "; ".join(map(str, row.evidence["reasons"])))
        for row in connection.execute(query.order_by(rollout_events.c.at))
    )  # fmt: skip


def doubt_name(stage: str, at: datetime) -> str:
    """One a day: counts go to and fro about a limit, and persons are not asked anew each time."""
    return f"{stage}:{at.astimezone(UTC):%Y-%m-%d}"


def digest_of(rollout: Rollout, record: Mapping[str, Any], doubts: Sequence[Doubt] = ()) -> str:
    """Of what a person sees and says yes to: the version as it is registered, in this rollout, by these terms, and that the judge
    doubts it. Counts that grow are not in it: what they say is in the verdict, and it has not changed."""
    terms = rollout.approval
    shown = {name: value for name, value in record.items() if name not in CHANGING}
    told = {"version": shown, "rollout": rollout.id, "terms": terms and terms.to_json()}
    return digest_json({**told, "doubts": [doubt.name for doubt in doubts]} if doubts else told)


def names_in(evidence: Mapping[str, Any]) -> list[str]:
    """The persons whom an event names: who said it, or who let the version into production."""
    by = evidence.get("by")
    return [str(by["name"])] if isinstance(by, Mapping) else [str(name) for name in by or ()]


def _said(row: sa.RowMapping) -> Said:
    told = row["evidence"]
    person = Person(str(told["by"]["id"]), str(told["by"]["name"]))
    return Said(row["event"], person, told["reason"], row["at"], told["seen"], told["via"], told.get("request", ""))


def _paused_since(connection: sa.Connection, rollout_id: str, asked_at: str) -> timedelta:
    """How long the rollout was paused since then; a pause that lasts counts until now, so that no deadline passes in it."""
    mine = sa.and_(rollout_events.c.rollout == rollout_id, rollout_events.c.event.in_(("paused", "resumed")))
    query = sa.select(rollout_events.c.event, rollout_events.c.at).where(mine)
    total, since, begin = timedelta(0), None, instant(asked_at)
    for row in connection.execute(query.order_by(rollout_events.c.at, rollout_events.c.event)):
        at = max(instant(row.at), begin)
        if row.event == "paused":
            since = at
        elif since is not None:
            total, since = total + at - since, None
    return total + (now() - since if since is not None else timedelta(0))
