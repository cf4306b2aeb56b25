"""The demonstration, phase by phase. Every step goes through a real Airflow run; nothing is staged.

The replay is weekly: a week of requests, then its raw partitions land, a features DAG takes them in (and
with them the labels), and monitoring judges the week. What monitoring decides, happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from importlib import import_module
from threading import Thread

from include.backends.airflow.client import AirflowClient
from include.core.control import ControlStore
from include.core.errors import JobFailedError, SlipstreamError
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.data.raw import RawPartitions
from include.demo.finding import finding
from include.demo.intake import Intake
from include.demo.journal import Journal
from include.demo.plan import Plan
from include.demo.runs import Runs
from include.demo.traffic import Pump, Traffic
from include.demo.weeks import Week, monitored
from include.monitoring.retraining.decision import history as decisions
from include.monitoring.retraining.policy import Decision
from include.rollout.history import Rollout, list_rollouts
from include.services.services import Services
from include.versions import queries as versions
from include.versions.record import VersionRecord

LAST = date(2013, 12, 30)  # as far as the schedule goes
TRICKLE = 20.0  # requests a second while a model is trained on the same machine


@dataclass
class Story:
    spec: ModelSpec
    services: Services
    airflow: AirflowClient
    journal: Journal
    token: str
    plan: Plan
    _kept: dict[str, int] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def control(self) -> ControlStore:
        return self.services.control

    @property
    def ledger(self) -> Ledger:
        return self.services.ledger

    @cached_property
    def copy(self) -> LocalStorage:
        """The source's own, which the callers read: a day of it reaches the store only when the day is over."""
        return LocalStorage(self.settings.home / "demo-source")

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.airflow, self.journal, self.spec.name)

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.runs, self.journal, self.control, self.copy, self.ledger.storage, self.plan.ranges)

    # -- phases ----------------------------------------------------------------------------------------

    def features(self) -> None:
        """The days before the first version."""
        first, last = self.plan.history
        self.journal.record(str(last), self.intake.history(first, last))

    def first_version(self) -> None:
        """Champion v1: trained as of the end of the history, registered, rolled out."""
        as_of = self.plan.as_of
        record = self._trained_at(as_of)
        if record is None:
            self.runs.finish("training", self.runs.start("training", as_of=as_of.isoformat()))
            record = self._newest_version()
            trained = f"version {record.version} ({record.semver}) trained and registered: {describe(record)}"
            self.journal.record(str(as_of), trained)
        self._await_rollout(record, None)

    def replay(self) -> None:
        """The whole replay: requests in event order, labels as flights land, monitoring each week, and what it decides."""
        first, last = self.plan.replay
        with self.replaying(first, first) as pump:
            for week in self.plan.weeks():
                decision = self._week(pump, *week)
                if decision.action == "retrain":
                    self._retrain(decision, pump)
            pump.until = max(pump.until, last)
            self._caught_up(pump, last)

    def watch_weeks(self) -> None:
        """Week after week, until the policy decides to retrain."""
        first, all_weeks = self.plan.replay[0], self.plan.weeks()
        with self.replaying(first, first) as pump:
            for number, week in enumerate(all_weeks, 1):
                self.journal.reach((number - 1) / len(all_weeks), f"week {number}, at most {len(all_weeks)}")
                if self._week(pump, *week).action == "retrain":
                    return
        raise JobFailedError(
            f"The policy decided on no retraining in the {len(all_weeks)} weeks of the short demonstration.",
            seen=[decision.summary for decision in decisions(self.control, self.spec.name)],
            hint="`make clean`, then `make demo FULL=1`: it watches a quarter.",
        )

    def retrained_version(self) -> None:
        """v2: the run that the decision's event has started, and its rollout. Callers go on meanwhile, though not so many."""
        decision = next(one for one in reversed(decisions(self.control, self.spec.name)) if one.action == "retrain")
        with self.replaying(self.plan.replay[0], LAST, pace=TRICKLE) as pump:
            self._retrain(decision, pump, meanwhile=self._prepare_broken)

    def _prepare_broken(self, record: VersionRecord) -> None:
        """What the next phase begins with, while the judge of this one waits for evidence. What fails here is reported there."""
        from include.demo.sabotage import break_model

        with suppress(SlipstreamError, ImportError, OSError):
            break_model(record, self.plan.accident, self.ledger, self.settings)
            self.services.registry()
            import_module("include.backends.mlflow.model")  # most of what registering costs is to import this

    def broken_version(self) -> None:
        """v3: the champion's file with an accident in it. The rollout must catch it."""
        champion, record = self.champion(), self._newest_version()
        if record.entry.origin != "derived":
            record = self._register_broken(champion)
        with self.replaying(self.plan.replay[1] + timedelta(days=1), LAST) as pump:
            self._await_rollout(record, pump, by_hand=True)
        if self.champion().version == record.version:
            raise JobFailedError("The broken version was promoted.", seen=record.version)

    def _register_broken(self, champion: VersionRecord) -> VersionRecord:
        from include.demo.sabotage import WORDS, break_model
        from include.governance.registration import Inputs, propose
        from include.governance.registry import register, resource

        lineage, accident = champion.entry.lineage, self.plan.accident
        inputs = Inputs(break_model(champion, accident, self.ledger, self.settings), lineage.training_set, lineage.evaluation)
        package = propose(self.ledger, self.spec, inputs, as_of=champion.entry.as_of, origin="derived")
        epoch = self.control.take(resource(self.spec.name), "demo")
        record = register(self.control, self.services.registry(), package, epoch)
        when = self.journal.facts.get("next_day", str(self.plan.replay[1] + timedelta(days=1)))
        self.journal.record(when, f"version {record.version} ({record.semver}) registered without training: {WORDS[accident]}")
        return record

    # -- the replay's week -----------------------------------------------------------------------------

    @contextmanager
    def replaying(self, first: date, until: date, pace: float = 0.0) -> Iterator[Pump]:
        """Callers over the source's own copy of the schedule, from where they were, until the given day."""
        raw = RawPartitions(self.copy, self.spec.name)
        traffic = Traffic(self.spec, raw, self.settings.gateway_url, self.token, self.settings.scratch(), per_second=pace)
        start = date.fromisoformat(self.journal.facts.get("next_day", first.isoformat()))
        pump = Pump(traffic, start, until)
        self._kept = {}  # the new tally begins at nothing
        pump.start()
        try:
            yield pump
        finally:
            traffic.per_second, pump.until = 0.0, min(pump.until, pump.next_day)
            pump.stop()
            self._keep(pump)

    def _week(self, pump: Pump, first: date, last: date) -> Decision:
        """A week of callers, its arrival and its monitoring; a week that was decided before is not done again."""
        pump.until = max(pump.until, last)
        self._caught_up(pump, last)
        pump.until = max(pump.until, min(last + timedelta(days=7), self.plan.replay[1]))  # the callers do not wait for us
        as_of = last + timedelta(days=1)
        known = self._decision(as_of)
        if known is not None:
            return known
        self.intake.week(first, last)
        return self._monitor(as_of)

    def _caught_up(self, pump: Pump, day: date) -> None:
        """Wait until the day has been replayed."""
        while pump.next_day <= day:
            pump.check()
            time.sleep(0.1)
        self._keep(pump)
        facts = self.journal.facts
        self.journal.print_line(
            f"{day}: {facts['requests']} requests so far, {facts['failed']} failed, {facts['degraded']} degraded"
        )

    def _keep(self, pump: Pump) -> None:
        """Write the tally down, so that an interrupted demo goes on counting where it was."""
        tally, facts = pump.traffic.tally, self.journal.facts
        before = self._kept
        for name in ("requests", "failed", "degraded"):
            facts[name] = facts.get(name, 0) + getattr(tally, name) - before.get(name, 0)
            before[name] = getattr(tally, name)
        if tally.first_failure:
            facts["first_failure"] = tally.first_failure
        facts["next_day"] = pump.next_day.isoformat()
        self.journal.save()

    def _monitor(self, as_of: date) -> Decision:
        self.runs.finish("monitoring", self.runs.start("monitoring", as_of=as_of.isoformat()))
        decision = self._decision(as_of)
        if decision is None:
            raise JobFailedError(f"Monitoring left no decision for {as_of}.")
        self.journal.record(str(as_of), f"monitoring: {finding(self._monitored(as_of), decision.to_json())}")
        self.journal.print_line(f"  {decision.summary}")
        return decision

    def _retrain(self, decision: Decision, pump: Pump, meanwhile: Callable[[VersionRecord], None] | None = None) -> None:
        """The decision's asset event has started training; follow it, and the rollout that its event starts.

        `meanwhile` is done beside the rollout.
        """
        as_of = date.fromisoformat(decision.as_of[:10])
        record = self._trained_at(as_of)
        if record is None:
            self.runs.finish("training", self.runs.started("training"))
            record = self._trained_at(as_of)
            if record is None:
                raise JobFailedError("The retraining made no new version.", seen=self._newest_version().version)
            self.journal.record(str(as_of), f"version {record.version} ({record.semver}) trained: {describe(record)}")
        self.journal.reach(0.65)
        if record.entry.gate.passed:
            if meanwhile is not None:
                Thread(target=meanwhile, args=(record,), daemon=True, name="meanwhile").start()
            self._await_rollout(record, pump)
        else:
            self.journal.record(str(as_of), f"its gate stayed closed: {'; '.join(record.entry.gate.reasons)}")

    def _await_rollout(self, record: VersionRecord, pump: Pump | None, by_hand: bool = False) -> None:
        """Until the version's rollout is over; requests go on meanwhile, for the judge to have something to see.

        Its event starts it, or `by_hand` we do.
        """
        rollout = self._rollout_of(record)
        if rollout is None or rollout.live:
            run = self.runs.start("rollout", version=record.version) if by_hand else self.runs.started("rollout")
            if pump is not None:
                pump.traffic.per_second, pump.until = self.plan.rollout_pace, LAST
            self.runs.finish("rollout", run, must=False)
            rollout = self._rollout_of(record)
        day = record.entry.as_of[:10]
        if pump is not None:
            pump.traffic.per_second, pump.until = 0.0, pump.next_day
            day = str(pump.next_day)
        if rollout is None:
            raise JobFailedError(
                f"Version {record.version} got no rollout.", hint="see the log of its run's task `open` in Airflow."
            )
        self.journal.record(day, rollout_words(record, rollout))

    # -- reading ---------------------------------------------------------------------------------------

    def champion(self) -> VersionRecord:
        record = versions.champion(versions.records(self.control, self.spec.name))
        if record is None:
            raise JobFailedError("No version is in production.", hint="slipstream status")
        return record

    def _newest_version(self) -> VersionRecord:
        return versions.records(self.control, self.spec.name)[-1]

    def _decision(self, as_of: date) -> Decision | None:
        """The stored decision of the window that ends at `as_of`."""
        when = datetime.combine(as_of, datetime.min.time())
        return next((one for one in decisions(self.control, self.spec.name) if datetime.fromisoformat(one.as_of) == when), None)

    def _monitored(self, as_of: date) -> Week:
        """What monitoring found in the window that ends at `as_of`."""
        found = monitored(self.ledger, self.spec.name, {})
        return [week for week in found if week["as_of"][:10] == str(as_of)][-1]

    def _trained_at(self, as_of: date) -> VersionRecord | None:
        """The newest version that was trained as of this day."""
        found = [one for one in versions.records(self.control, self.spec.name) if one.entry.origin != "derived"]
        return next((one for one in reversed(found) if one.entry.as_of[:10] == str(as_of)), None)

    def _rollout_of(self, record: VersionRecord) -> Rollout | None:
        """The version's newest rollout."""
        found = list_rollouts(self.control, self.spec.name)
        return next((one for one in reversed(found) if one.challenger == record.version), None)


def rollout_words(record: VersionRecord, rollout: Rollout) -> str:
    """What came of a rollout, in one line."""
    if rollout.state == "promoted":
        return f"version {record.version} promoted: {' → '.join(stage.name for stage in rollout.stages)}"
    return f"version {record.version} rolled back in {rollout.stage}: {rollout.reason}"


def describe(record: VersionRecord) -> str:
    """A version's metrics in a few words."""
    shown = [f"{name} {value:.3f}" for name, value in record.entry.metrics.items() if name in ("auc", "log_loss")]
    return ", ".join(shown) or "no metrics"
