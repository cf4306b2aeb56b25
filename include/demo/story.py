"""The demonstration, phase by phase. Every step goes through a real Airflow run; nothing is staged.

The replay is weekly: a week of requests, then its raw partitions land, the features DAG takes them in (and
with them the labels), and monitoring judges the week. What monitoring decides, happens.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from include.backends.airflow.client import AirflowClient
from include.core.control import ControlStore
from include.core.errors import JobFailedError
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.core.time import days_between
from include.data.published import published
from include.data.raw import RawPartitions
from include.demo.finding import finding
from include.demo.flights import land
from include.demo.journal import Journal
from include.demo.traffic import Pump, Traffic
from include.demo.weeks import Week, monitored
from include.monitoring.retraining.decision import history as decisions
from include.monitoring.retraining.policy import Decision
from include.rollout.history import Rollout, list_rollouts
from include.services.services import Services
from include.versions import queries as versions
from include.versions.record import VersionRecord

QUARTER = (date(2013, 1, 1), date(2013, 3, 31))
REPLAY = (date(2013, 4, 1), date(2013, 6, 30))
LAST = date(2013, 12, 30)  # as far as the schedule goes
ROLLOUT_PACE = 220.0  # requests a second while a rollout collects evidence


@dataclass
class Story:
    spec: ModelSpec
    services: Services
    airflow: AirflowClient
    journal: Journal
    token: str
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

    # -- phases ----------------------------------------------------------------------------------------

    def features(self) -> None:
        """The first quarter, by a backfill."""
        first, last = QUARTER
        land(self.ledger.storage, first, last)
        have = len(published(self.control, self.spec.name, first, last))
        days = (last - first).days + 1
        if have == days:
            self.journal.record(str(last), f"{days} days of features were published before: reused")
            return
        self._backfill_by_command(first, last)
        self._wait_published(first, last)
        self.journal.record(str(last), f"{days} daily partitions validated, published and materialized by `airflow backfill`")

    def first_version(self) -> None:
        """Champion v1: trained as of the end of the quarter, registered, rolled out."""
        as_of = QUARTER[1] + timedelta(days=1)
        run = self.airflow.trigger(self._dag("training"), as_of=as_of.isoformat())
        self._follow("training", run)
        record = self._newest_version()
        self.journal.record(str(as_of), f"version {record.version} ({record.semver}) trained and registered: {describe(record)}")
        self._await_rollout(record, None)

    def replay(self) -> None:
        """April to June: requests in event order, labels as flights land, monitoring each week."""
        with self.replaying(REPLAY[0], REPLAY[0]) as pump:
            for first, last in weeks(*REPLAY):
                self._week(pump, first, last)
            pump.until = max(pump.until, REPLAY[1])
            self._caught_up(pump, REPLAY[1])

    def _week(self, pump: Pump, first: date, last: date) -> None:
        pump.until = max(pump.until, last)
        self._caught_up(pump, last)
        pump.until = max(pump.until, min(last + timedelta(days=7), REPLAY[1]))  # the callers do not wait for us
        if not self._decided(last):
            self._land(first, last)
            self._monitor(last + timedelta(days=1), pump)

    def broken_version(self) -> None:
        """v3: the champion's file with one input rescaled. The rollout must catch it."""
        from include.demo.sabotage import FACTOR, INPUT, break_model
        from include.governance.registration import Inputs, propose
        from include.governance.registry import register, resource

        champion = self.champion()
        lineage = champion.entry.lineage
        inputs = Inputs(break_model(champion, self.ledger, self.settings), lineage.training_set, lineage.evaluation)
        package = propose(self.ledger, self.spec, inputs, as_of=champion.entry.as_of, origin="derived")
        epoch = self.control.take(resource(self.spec.name), "demo")
        record = register(self.control, self.services.registry(), package, epoch)
        when = str(REPLAY[1] + timedelta(days=1))
        self.journal.record(when, f"version {record.version} ({record.semver}) registered without training: {INPUT} x {FACTOR:g}")
        run = self.airflow.trigger(self._dag("rollout"), version=record.version)
        with self.replaying(REPLAY[1] + timedelta(days=1), LAST) as pump:
            self._await_rollout(record, pump, run)
        if self.champion().version != champion.version:
            raise JobFailedError("The broken version was promoted.", seen=record.version)

    # -- the replay's week -----------------------------------------------------------------------------

    @contextmanager
    def replaying(self, first: date, until: date) -> Iterator[Pump]:
        """Callers over the source's own copy of the schedule; partitions land in the store only when a day is over."""
        source = LocalStorage(self.settings.home / "demo-source")
        raw = RawPartitions(source, self.spec.name)
        traffic = Traffic(self.spec, raw, self.settings.gateway_url, self.token, self.settings.scratch())
        start = date.fromisoformat(self.journal.facts.get("next_day", first.isoformat()))
        pump = Pump(traffic, start, until)
        self._kept = {}  # the new tally begins at nothing
        pump.start()
        try:
            yield pump
        finally:
            pump.until = min(pump.until, pump.next_day)
            pump.stop()
            self._keep(pump)

    def _caught_up(self, pump: Pump, day: date) -> None:
        """Wait until the day has been replayed."""
        while pump.next_day <= day:
            pump.check()
            time.sleep(0.2)
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

    def _land(self, first: date, last: date) -> None:
        """The week's raw partitions arrive, and the features DAG takes them in: labels become known."""
        land(self.ledger.storage, first, last)
        runs = [self.airflow.trigger(self._dag("features"), day=day.isoformat()) for day in days_between(first, last)]
        for run in runs:
            if self.airflow.wait_for_run(self._dag("features"), run, lambda tasks: None) != "success":
                raise JobFailedError(f"The features run {run} failed.", hint="see its log in Airflow.")
        self.journal.print_line(f"  {first} to {last}: partitions landed, features published, labels known")

    def _monitor(self, as_of: date, pump: Pump) -> None:
        run = self.airflow.trigger(self._dag("monitoring"), as_of=as_of.isoformat())
        self._follow("monitoring", run)
        decision = self._decision(as_of)
        if decision is None:
            raise JobFailedError(f"Monitoring left no decision for {as_of}.")
        self.journal.record(str(as_of), f"monitoring: {finding(self._monitored(as_of), decision.to_json())}")
        self.journal.print_line(f"  {decision.summary}")
        if decision.action == "retrain":
            self._retrain(as_of, pump)

    def _retrain(self, as_of: date, pump: Pump) -> None:
        """The decision's asset event has started training; follow it, and the rollout that its event starts."""
        before = self._newest_version().version
        run = self._triggered("training")
        self._follow("training", run)
        record = self._newest_version()
        if record.version == before:
            raise JobFailedError("The retraining made no new version.", seen=before)
        self.journal.record(str(as_of), f"version {record.version} ({record.semver}) trained: {describe(record)}")
        if record.entry.gate.passed:
            self._await_rollout(record, pump)
        else:
            self.journal.record(str(as_of), f"its gate stayed closed: {'; '.join(record.entry.gate.reasons)}")

    # -- waiting ---------------------------------------------------------------------------------------

    def _await_rollout(self, record: VersionRecord, pump: Pump | None, run: str = "") -> None:
        """Until the version's rollout is over; requests go on meanwhile, for the judge to have something to see."""
        run = run or self._triggered("rollout")
        if pump is not None:
            pump.traffic.per_second, pump.until = ROLLOUT_PACE, LAST
        self._follow("rollout", run, must=False)
        rollout = next(one for one in reversed(list_rollouts(self.control, self.spec.name)) if one.challenger == record.version)
        day = record.entry.as_of[:10]
        if pump is not None:
            pump.traffic.per_second, pump.until = 0.0, pump.next_day
            day = str(pump.next_day)
        self.journal.record(day, self._rollout_words(record, rollout))

    def _rollout_words(self, record: VersionRecord, rollout: Rollout) -> str:
        stages = " → ".join(stage.name for stage in rollout.stages)
        if rollout.state == "promoted":
            return f"version {record.version} promoted: {stages}"
        return f"version {record.version} rolled back in {rollout.stage}: {rollout.reason}"

    def _follow(self, part: str, run: str, must: bool = True) -> None:
        seen: dict[str, str] = {}

        def tick(tasks: dict[str, str]) -> None:
            for name, state in tasks.items():
                if seen.get(name) != state and state in ("running", "success", "failed", "deferred", "skipped"):
                    self.journal.print_line(f"  {part}.{name}: {state}")
            seen.update(tasks)

        if self.airflow.wait_for_run(self._dag(part), run, tick) != "success" and must:
            raise JobFailedError(f"The {part} run {run} failed.", seen={k: v for k, v in seen.items() if v != "success"})

    def _triggered(self, part: str, seconds: float = 90) -> str:
        """The run that an asset event has just started."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            live = [one for one in self.airflow.runs(self._dag(part)) if one["run_type"] == "asset_triggered"]
            followed = self.journal.facts.setdefault("followed", [])
            fresh = [one["dag_run_id"] for one in live if one["dag_run_id"] not in followed]
            if fresh:
                followed.append(fresh[0])
                self.journal.save()
                return str(fresh[0])
            time.sleep(0.5)
        raise JobFailedError(f"No event started {self._dag(part)} within {seconds:.0f} s.")

    def _wait_published(self, first: date, last: date, seconds: float = 900) -> None:
        wanted, shown, until = (last - first).days + 1, 0, time.monotonic() + seconds
        while True:
            counts = self.airflow.count(self._dag("features"), first.isoformat(), last.isoformat())
            done = counts.get("success", 0)
            if done >= shown + 10 or done == wanted:
                self.journal.print_line(f"  {done} of {wanted} days through the features DAG")
                shown = done
            if done == wanted:
                return
            if counts.get("failed"):
                raise JobFailedError(f"{counts['failed']} features runs between {first} and {last} failed.", seen=counts)
            if time.monotonic() > until:
                raise JobFailedError(f"The features of {first} to {last} took more than {seconds:.0f} s.", seen=counts)
            time.sleep(1.0)

    def _backfill_by_command(self, first: date, last: date) -> None:
        from include.local import environment
        from include.local.credentials import Credentials
        from include.local.platform import Platform

        platform = Platform.from_env()
        options = {"dag-id": self._dag("features"), "from-date": first, "to-date": last, "max-active-runs": 8}
        words = [f"--{name}={value}" for name, value in {**options, "reprocess-behavior": "failed"}.items()]
        command = [str(Path(sys.executable).parent / "airflow"), "backfill", "create", *words]
        self.journal.print_line(" ".join(["airflow", *command[1:]]))
        done = subprocess.run(
            command,
            env=environment.airflow(platform, Credentials.load(platform.home)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise JobFailedError("airflow backfill create failed.", seen=done.stderr[-800:] or done.stdout[-800:])

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

    def _decided(self, last: date) -> bool:
        return self._decision(last + timedelta(days=1)) is not None

    def _dag(self, part: str) -> str:
        return f"{self.spec.name}_{part}"


def weeks(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Seven days each, the last one shorter."""
    while first <= last:
        end = min(first + timedelta(days=6), last)
        yield first, end
        first = end + timedelta(days=1)


def describe(record: VersionRecord) -> str:
    """A version's metrics in a few words."""
    shown = [f"{name} {value:.3f}" for name, value in record.entry.metrics.items() if name in ("auc", "log_loss")]
    return ", ".join(shown) or "no metrics"
