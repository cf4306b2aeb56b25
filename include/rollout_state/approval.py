"""What a rollout asks of persons: its terms, as they were fixed when it opened, and the terms that hold for a model.

The terms are in the rollout's event `opened`: a spec that is changed lowers nothing for a rollout that is live. Nor for the one
after it: a bar that was set is lowered by the spec of a version that went into production over it, so whoever had to be asked
before was asked about that, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Literal, Self

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_events, rollouts
from include.core.environment import APPROVERS
from include.core.errors import SpecError
from include.core.spec import ModelSpec

RANK = {"full": 1, "traffic": 2}


@dataclass(frozen=True)
class Person:
    """Who decides: Airflow's id and name of a user, which are the same with some of its auth managers."""

    id: str
    name: str

    @property
    def keys(self) -> frozenset[str]:
        """What tells persons apart: two that share one of them are the same."""
        return frozenset(key for key in (self.id.strip().casefold(), self.name.strip().casefold()) if key)

    @property
    def actor(self) -> str:
        """As the audit names users of Airflow."""
        return f"{self.name or self.id} (Airflow)"


@dataclass(frozen=True)
class Terms:
    """What one rollout asks of persons. `users`: who may, in any case of letters; empty: whoever Airflow
    lets. `seconds`: they have."""

    before: Literal["traffic", "full"]
    persons: int
    users: tuple[str, ...] = ()
    role: str = ""
    seconds: float = 259_200.0
    at_deadline: Literal["roll_back", "wait"] = "roll_back"

    @property
    def deadline(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    @property
    def words(self) -> str:
        """Who is asked, and before what."""
        who = "one person" if self.persons == 1 else f"{self.persons} persons"
        of = f" of the role {self.role}" if self.role else ""
        return f"{who}{of}, before {'any traffic' if self.before == 'traffic' else '100 percent'}"

    def allows(self, person: Person) -> bool:
        return not self.users or bool(person.keys & {name.casefold() for name in self.users})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "users": list(self.users)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{**value, "users": tuple(value["users"])})


def terms_of(spec: ModelSpec, environ: Mapping[str, str] | None = None) -> Terms | None:
    """What a spec asks for, its role looked up in the settings (of this process by default); None where it asks nobody.

    Raises SpecError for an unknown role, or one with fewer users than have to approve.
    """
    asked = spec.rollout.persons_asked
    if asked is None:
        return None
    named = _distinct((*asked.users, *(_members(spec.name, asked.role, environ) if asked.role else ())))
    if named and len(named) < asked.persons:
        raise SpecError(
            f"The spec of {spec.name} asks {asked.persons} persons, and names fewer who may approve.", seen=list(named),
            safe="the traffic stays where it is.", hint=f"name more in rollout.approval.users, or in {APPROVERS.name}.",
        )  # fmt: skip
    assert asked.before != "none"
    return Terms(asked.before, asked.persons, named, asked.role, asked.deadline.total_seconds(), asked.at_deadline)


def stricter(wished: Terms | None, standing: Terms | None) -> Terms | None:
    """The wished terms, and at least as many persons as early as the standing ones ask. Who may be asked, and by when, is as
    wished: people come and go."""
    if wished is None or standing is None:
        return wished or standing
    before = max(wished.before, standing.before, key=RANK.__getitem__)
    return replace(wished, before=before, persons=max(wished.persons, standing.persons))


def standing_in(connection: sa.Connection, model: str) -> Terms | None:
    """The terms that the model's rollouts so far have left: what the next one asks at least."""
    columns = (rollouts.c.state, rollout_events.c.evidence)
    mine = sa.and_(rollouts.c.model == model, rollout_events.c.event == "opened")
    query = sa.select(*columns).join(rollout_events, rollout_events.c.rollout == rollouts.c.id).where(mine)
    standing: Terms | None = None
    for row in connection.execute(query.order_by(rollouts.c.created_at, rollouts.c.id)):
        wished = _read(row.evidence.get("approval_wished"))
        standing = wished if row.state == "promoted" else stricter(wished, standing)
    return standing


def terms_in(connection: sa.Connection, spec: ModelSpec) -> Terms | None:
    """What a rollout of the spec asks that opens now."""
    return stricter(terms_of(spec), standing_in(connection, spec.name))


def opened_with(evidence: Mapping[str, Any]) -> Terms | None:
    """The terms in the evidence of an event `opened`."""
    return _read(evidence.get("approval"))


def stored(terms: Terms | None, wished: Terms | None) -> dict[str, Any]:
    """What that evidence says of them: nothing where nobody is asked, as of a rollout before there were approvals."""
    told = {"approval": terms, "approval_wished": wished}
    return {name: value.to_json() for name, value in told.items() if value is not None}


def deciders_in(connection: sa.Connection, model: str) -> dict[int, tuple[str, ...]]:
    """By version: the names of those who approved it, of every version that persons let into production."""
    mine = sa.and_(rollouts.c.model == model, rollouts.c.state == "promoted", rollout_events.c.event == "promoted")
    query = sa.select(rollouts.c.challenger, rollout_events.c.evidence).join(
        rollout_events, rollout_events.c.rollout == rollouts.c.id
    )
    rows = connection.execute(query.where(mine).order_by(rollouts.c.created_at))
    return {row.challenger: tuple(row.evidence["by"]) for row in rows if row.evidence.get("by")}


def deciders(control: ControlStore, model: str) -> dict[int, tuple[str, ...]]:
    with control.transaction() as connection:
        return deciders_in(connection, model)


def roles(text: str) -> dict[str, tuple[str, ...]]:
    """Of the setting: by role its users."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {role.strip(): _distinct(users.split(",")) for role, _, users in pairs}


def _members(model: str, role: str, environ: Mapping[str, str] | None) -> tuple[str, ...]:
    known = roles(APPROVERS.read(environ))
    if not known.get(role):
        raise SpecError(
            f"The spec of {model} asks for the approval of the role {role!r}, which nobody has.",
            seen=sorted(known),
            safe="the traffic stays where it is.",
            hint=f"list its users: {APPROVERS.name}='{role}=ann,bob'.",
        )
    return known[role]


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Each once, as it was written first."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.strip().casefold(), name.strip())
    return tuple(name for folded, name in found.items() if folded)


def _read(value: Mapping[str, Any] | None) -> Terms | None:
    return Terms.from_json(value) if value else None
