"""What each kind of DAG is to have done: a thing a trial asks for, whether it is done, and whether anything is there twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from include.core.control import ControlStore, audit, decisions, effects, partitions, rollouts, versions
from include.core.digest import digest_file
from include.core.request import Json
from include.core.time import timestamp
from include.rollout.history import list_rollouts, live_rollout
from include.rollout.waiting import SUPERSEDED
from include.routing.route import Route, read_route, set_route
from include.scoring.table import standing
from include.services.services import Services
from tests.hands.specs import dag_of
from tests.support.operator_runs import Life, Run, day

READY = 5  # days that are published before models are trained, watched or used for a batch
Thing = str  # a day, a moment or a version: what a run is about


@dataclass
class Part:
    """One toy model and the one DAG of it that is tried. Its trials come one after the other."""

    services: Services
    model: str
    count: int = 0
    asks: str = "day"  # the run's parameter that names the thing

    @property
    def dag_id(self) -> str:
        return dag_of(self.model)

    @property
    def control(self) -> ControlStore:
        return self.services.control

    @property
    def life(self) -> Life:
        return Life(self.services, self.model)

    def prepare(self) -> None:
        """Once, before its first trial."""

    def new(self) -> Thing:
        """Something that no trial has asked for yet, ready to be asked for."""
        self.count += 1
        return self.make(self.count)

    def make(self, number: int) -> Thing:
        raise NotImplementedError

    def conf(self, thing: Thing) -> dict[str, Json]:
        return {self.asks: thing}

    def done(self, thing: Thing) -> bool:
        raise NotImplementedError

    def problems(self, thing: Thing) -> Iterator[str]:
        """What is there twice, or contradicts itself, once all is quiet. None: all is well."""
        yield from self.attempts()
        if broken := self.control.broken_audit_rows():
            yield f"doubled: audit rows {broken} do not hold"

    def attempts(self) -> Iterator[str]:
        """No trial kills a job: a second attempt of a key is work done twice."""
        ledger, storage = self.services.ledger, self.services.storage
        for path in storage.list("ledger"):
            if (
                path.endswith("/attempt-2.json")
                and ledger.request(path.removeprefix("ledger/").rsplit("/", 2)[0]).model == self.model
            ):
                yield f"doubled: {path}"

    def results(self, step: str, **params: Json) -> list[str]:
        """The keys of a step with a committed result, whose request has these parameters."""
        ledger, found = self.services.ledger, []
        for request in map(ledger.request, ledger.requested(step)):
            asked = request.model == self.model and all(request.params.get(name) == value for name, value in params.items())
            if asked and ledger.result(request.key) is not None:
                found.append(request.key)
        return found

    def twice(self, step: str, **params: Json) -> Iterator[str]:
        if len(keys := self.results(step, **params)) > 1:
            yield f"doubled: {step} of {params}: {keys}"

    def interval(self, thing: Thing) -> tuple[date, date]:
        """First and last day of a backfill of the thing and of the one after it; both are new."""
        first = date.fromisoformat(thing[:10])
        return first, first + timedelta(days=1)


@dataclass
class FeaturesPart(Part):
    """Each landed day is published once."""

    def make(self, number: int) -> Thing:
        when = day(number + 2)
        self.land(when)
        return when.isoformat()

    def land(self, when: date) -> None:
        for each in (when - timedelta(days=2), when - timedelta(days=1), when):
            if not self.life.raw.exists("orders", each):
                self.life.land(each)

    def withhold(self, thing: Thing) -> None:
        """The day has not landed yet: its sensor waits."""
        path = Path(self.services.storage.uri(self.life.raw.path("returns", date.fromisoformat(thing))))
        path.rename(path.with_name("withheld"))

    def release(self, thing: Thing) -> None:
        path = Path(self.services.storage.uri(self.life.raw.path("returns", date.fromisoformat(thing))))
        if path.with_name("withheld").exists():
            path.with_name("withheld").rename(path)

    def done(self, thing: Thing) -> bool:
        with self.control.transaction() as connection:
            mine = sa.and_(partitions.c.model == self.model, partitions.c.day == thing)
            return connection.execute(sa.select(partitions.c.digest).where(mine)).first() is not None

    def problems(self, thing: Thing) -> Iterator[str]:
        yield from super().problems(thing)
        for step in ("validate", "features"):
            yield from self.twice(step, day=thing)

    def interval(self, thing: Thing) -> tuple[date, date]:
        first = date.fromisoformat(thing)
        self.count += 1
        self.land(first + timedelta(days=1))
        return first, first + timedelta(days=1)


@dataclass
class TrainingPart(Part):
    """One version for each moment."""

    asks: str = "as_of"

    def prepare(self) -> None:
        self.life.days(READY)

    def make(self, number: int) -> Thing:
        return (datetime.combine(day(READY + 1), datetime.min.time()) + timedelta(seconds=number)).isoformat()

    def done(self, thing: Thing) -> bool:
        return self._versions(thing) > 0

    def _versions(self, thing: Thing) -> int:
        with self.control.transaction() as connection:
            records = connection.execute(sa.select(versions.c.record).where(versions.c.model == self.model)).scalars()
            return sum(record["as_of"] == thing for record in records)

    def problems(self, thing: Thing) -> Iterator[str]:
        yield from super().problems(thing)
        if self._versions(thing) > 1:
            yield f"doubled: {self._versions(thing)} versions as of {thing}"

    def interval(self, thing: Thing) -> tuple[date, date]:
        return day(READY - 1), day(READY)


@dataclass
class ServingPart(Part):
    """A model with a champion, which has published days."""

    days: int = READY

    def prepare(self) -> None:
        life = self.life
        life.days(self.days)
        version = life.registered(Run(run_id=f"prepare-{self.model}")).xcom["register"]["version"]
        with self.control.transaction() as connection:
            set_route(connection, self.model, Route(champion=version))
            connection.execute(versions.update().where(versions.c.model == self.model).values(stage="Production"))


@dataclass
class MonitoringPart(ServingPart):
    """One decision for each window."""

    asks: str = "as_of"

    def make(self, number: int) -> Thing:
        return (datetime.combine(day(READY + 1), datetime.min.time()) + timedelta(seconds=number)).isoformat()

    def done(self, thing: Thing) -> bool:
        return self._decided(thing) > 0

    def _decided(self, thing: Thing) -> int:
        with self.control.transaction() as connection:
            mine = sa.and_(decisions.c.model == self.model, decisions.c.as_of == thing)
            return len(connection.execute(sa.select(decisions.c.key).where(mine)).all())

    def problems(self, thing: Thing) -> Iterator[str]:
        yield from super().problems(thing)
        if self._decided(thing) > 1:
            yield f"doubled: {self._decided(thing)} decisions as of {thing}"

    def interval(self, thing: Thing) -> tuple[date, date]:
        return day(READY - 1), day(READY)


@dataclass
class ScoringPart(ServingPart):
    """One batch for each day and version, which is the day's file in the table that others read."""

    published: int = READY

    def make(self, number: int) -> Thing:
        logging.disable(logging.WARNING)  # what is made ready here is no trial
        while self.published <= number:  # a backfill takes the day after it as well
            self.published += 1
            self.life.land(day(self.published))
            self.life.publish(day(self.published))
        logging.disable(logging.NOTSET)
        return day(number).isoformat()

    def done(self, thing: Thing) -> bool:
        stands = standing(self.control, self.model, thing)
        if stands is None:
            return False
        file = Path(self.services.storage.uri(stands.path))
        return file.exists() and digest_file(file) == stands.digest

    def problems(self, thing: Thing) -> Iterator[str]:
        yield from super().problems(thing)
        yield from self.twice("score", day=thing)

    def interval(self, thing: Thing) -> tuple[date, date]:
        self.count += 1
        return super().interval(thing)


@dataclass
class RolloutPart(Part):
    """Each candidate has one turn, promoted or rolled back; the route is what the rollouts say."""

    asks: str = "version"
    known: list[Thing] = field(default_factory=list)

    def prepare(self) -> None:
        with self.control.transaction() as connection:
            self._insert(connection, 1, "Production")
            set_route(connection, self.model, Route(champion=1))

    def make(self, number: int) -> Thing:
        with self.control.transaction() as connection:
            self._insert(connection, number + 1, "Candidate")
        return str(number + 1)

    def _insert(self, connection: sa.Connection, number: int, stage: str) -> None:
        row = {"key": f"{self.model}-{number}", "model": self.model, "version": number, "semver": f"1.{number}.0", "record": {}}
        connection.execute(versions.insert().values(stage=stage, at=timestamp(), **row))

    def conf(self, thing: Thing) -> dict[str, Json]:
        return {"version": int(thing)}

    def states(self, thing: Thing) -> list[str]:
        return [one.state for one in list_rollouts(self.control, self.model) if one.challenger == int(thing)]

    def superseded(self, thing: Thing) -> bool:
        with self.control.transaction() as connection:
            mine = sa.and_(audit.c.action == SUPERSEDED, audit.c.subject == self.model)
            rows = connection.execute(sa.select(audit.c.detail).where(mine))
            return any(row.detail["version"] == int(thing) for row in rows)

    def done(self, thing: Thing) -> bool:
        return bool({"promoted", "rolled_back"} & set(self.states(thing))) or self.superseded(thing)

    def promoted(self, thing: Thing) -> bool:
        return "promoted" in self.states(thing)

    def problems(self, thing: Thing) -> Iterator[str]:
        yield from super().problems(thing)
        if len(states := self.states(thing)) > 1:
            yield f"doubled: version {thing} had {states}"
        if (live := live_rollout(self.control, self.model)) is not None:
            yield f"silent: version {live.challenger} is {live.state} in {live.stage}, and no run drives it"
        yield from self._route()
        yield from self._told()

    def _route(self) -> Iterator[str]:
        _, route = read_route(self.control, self.model)
        with self.control.transaction() as connection:
            query = sa.select(versions.c.version).where(versions.c.model == self.model, versions.c.stage == "Production")
            serving = list(connection.execute(query).scalars())
        if live_rollout(self.control, self.model) is None and (route.weight or route.challenger or route.shadow):
            yield f"lost: nobody's traffic is left: {route}"
        if serving != [route.champion]:
            yield f"lost: the route is {route}, in production are {serving}"

    def _told(self) -> Iterator[str]:
        """Every rollback was told, once."""
        with self.control.transaction() as connection:
            mine = sa.and_(rollouts.c.model == self.model, rollouts.c.state == "rolled_back")
            for row in connection.execute(sa.select(rollouts.c.id, rollouts.c.challenger).where(mine)).all():
                key = f"told/rolled_back/{row.id}"
                if connection.execute(sa.select(effects.c.key).where(effects.c.key == key)).first() is None:
                    yield f"silent: nobody was told that version {row.challenger} was rolled back"


PARTS: dict[str, type[Part]] = {
    "features": FeaturesPart,
    "training": TrainingPart,
    "rollout": RolloutPart,
    "monitoring": MonitoringPart,
    "scoring": ScoringPart,
}
