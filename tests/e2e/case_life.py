"""A case's whole life through a real Airflow: what a case says of itself, and the runner that all cases share.

The case's folder is copied by `slipstream new --like` into a folder of models of its own, which an unchanged platform runs. Then:
history lands and is taken in, the first version is trained and rolled out; weeks of callers, of what they ask and of what becomes
known, are landed and judged until the policy decides to retrain; the retraining and its rollout follow by their events, through
shadow and canary, while callers go on and labels come in; and the new champion's file, broken, is rolled out and must be sent
back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.backends.airflow.client import AirflowClient
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.request import Json, Outcome, Ref, Request
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage, Storage
from include.core.task import Task, perform
from include.core.time import days_between
from include.data.raw import RawPartitions
from include.demo.journal import Journal
from include.demo.runs import Runs
from include.monitoring.retraining.decision import history as decisions
from include.monitoring.retraining.policy import Decision
from include.rollout.history import Rollout, list_rollouts
from include.services.services import Services
from include.versions import queries as versions
from include.versions.record import VersionRecord
from tests.e2e.case_callers import Callers, Pump, Questions, Tally

if TYPE_CHECKING:
    from onnx import ModelProto

DAGS = ("features_range", "training", "rollout", "monitoring")
TRICKLE = 20.0  # questions a second while a model is trained on the same machine
EVIDENCE = 150.0  # while a rollout collects its evidence
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Case:
    """One case, as its life needs it.

    `land(storage, first, last, model)` writes the raw partitions of days, both included, under that model's name; the same bytes
    each time. `break_version` puts an accident into a version's ONNX file, in place: another file had passed every check.
    """

    name: str
    land: Callable[[Storage, date, date, str], object]
    history: tuple[date, date]
    weeks: int  # the most that are watched until the policy retrains
    break_version: Callable[[ModelProto], None]
    reach: int = 5  # weeks more in which callers may go on asking, while versions are trained and rolled out
    path: str = "predict"  # what callers ask: POST /{path}/{model}
    every: int = 1  # one question in so many is asked
    step: timedelta = timedelta(hours=1)  # how often the stream pushes what has become known
    questions: Questions | None = None  # what callers ask of a day's entity rows; None: each of them, as it is
    crowd: Questions | None = None  # the same while a rollout collects its evidence, where more must ask then

    @property
    def as_of(self) -> date:
        """The moment of the first version: its history is over."""
        return self.history[1] + timedelta(days=1)

    def windows(self) -> Iterator[tuple[date, date]]:
        """First and last day of the weeks to watch."""
        for number in range(self.weeks):
            first = self.as_of + number * WEEK
            yield first, first + WEEK - timedelta(days=1)


@dataclass
class Account:
    """What came of it, as the stores have it."""

    first: Rollout
    decision: Decision | None
    retrained: VersionRecord | None
    second: Rollout | None  # of the retrained version
    broken: Rollout | None
    champion: int
    tally: Tally

    def words(self) -> dict[str, Any]:
        """In a few words, for whoever reads a log."""
        tally, stages = self.tally, [stage.name for stage in self.second.stages] if self.second else []
        counted = {"requests": tally.requests, "failed": tally.failed, "degraded": tally.degraded, "labels": tally.labels}
        decided = self.decision.summary if self.decision else ""
        caught = f"{self.broken.stage}: {self.broken.reason}" if self.broken else ""
        return {**counted, "decided": decided, "retrained through": stages, "caught in": caught, "champion": self.champion}


@dataclass
class Life:
    """The life of a case on a platform that runs. `home`: where the source's own copy of the days, and the journal, are kept.

    One that was interrupted goes on where it was, on the same home and the same platform's home.
    """

    case: Case
    spec: ModelSpec
    services: Services
    token: str  # of the gateway
    home: Path
    tally: Tally = field(default_factory=Tally)
    airflow: AirflowClient | None = None  # where not as the services open it
    callers: type[Callers] = Callers

    def __post_init__(self) -> None:
        airflow = self.airflow or self.services.airflow()
        assert airflow is not None
        self.journal = Journal.load(self.home / "journal.json")
        self.runs = Runs(airflow, self.journal, self.spec.name)
        self.copy = LocalStorage(self.home / "source")
        self.tally = Tally(**self.journal.facts.get("tally", {}))

    @property
    def control(self) -> ControlStore:
        return self.services.control

    def tell(self) -> Account:
        """All of it, phase by phase."""
        self.first()
        self._phases(self.watch, self.retrain, self.broken_version)
        return self.account()

    def first(self) -> None:
        """Up to the promotion of the first version."""
        for part in DAGS:
            self.runs.airflow.wait_for_dag(self.runs.dag(part))
        if not self.journal.is_done("land"):
            with self.journal.phase("land"):
                self.case.land(self.copy, self.case.history[0], self._far + timedelta(days=1), self.spec.name)
        self._phases(self.first_version)

    def _phases(self, *phases: Callable[[], None]) -> None:
        """Those that were not done before."""
        for phase in phases:
            if not self.journal.is_done(phase.__name__):
                with self.journal.phase(phase.__name__):
                    phase()

    def account(self) -> Account:
        trained = [each for each in self._records() if each.entry.origin != "derived"]
        retrained = trained[-1] if len(trained) > 1 else None
        decision = next((one for one in reversed(self.decided()) if one.action == "retrain"), None)
        broken = next((each for each in self._records() if each.entry.origin == "derived"), None)
        first, second, third = (self._rollout_of(each) for each in (trained[0], retrained, broken))
        assert first is not None
        return Account(first, decision, retrained, second, third, self._champion().version, self.tally)

    # -- phases ----------------------------------------------------------------------------------------

    def first_version(self) -> None:
        if not self._records():
            self._arrive(*self.case.history)
            self.runs.finish("training", self.runs.start("training", as_of=self.case.as_of.isoformat()))
        self._follow(self._records()[0])

    def watch(self) -> None:
        """Week after week, until the policy decides to retrain. The callers do not wait for us."""
        with self.calling(self.case.as_of) as pump:
            for first, last in self.case.windows():
                if self._watched(pump, first, last).action == "retrain":
                    return
        raise AssertionError(f"no retraining in {self.case.weeks} weeks: {[one.summary for one in self.decided()]}")

    def _watched(self, pump: Pump, first: date, last: date) -> Decision:
        """The decision on a week, once its callers have asked and its days have landed."""
        as_of = last + timedelta(days=1)
        if (known := self._decision(as_of)) is None:
            pump.until = last
            pump.wait_for(last)
            pump.until = last + WEEK
            self._arrive(first, last)
            self.runs.finish("monitoring", self._monitoring(as_of))
            known = self._decision(as_of)
        assert known is not None
        self.say(f"{as_of}: {known.summary}")
        return known

    def _monitoring(self, as_of: date) -> str:
        """The run that judges the window that ends at `as_of`."""
        return self.runs.start("monitoring", as_of=as_of.isoformat())

    def retrain(self) -> None:
        """What the decision's event has started, and the rollout that its version's event starts."""
        with self.calling(self._far, TRICKLE) as pump:
            if len(self._records()) < 2:
                self.runs.finish("training", self.runs.started("training"))
            record = self._records()[-1]
            self.say(f"version {record.version}: {dict(record.entry.metrics)}")
            assert len(self._records()) > 1, "the retraining made no new version"
            assert record.entry.gate.passed, record.entry.gate.reasons
            self._crowd(pump)
            self._follow(record)

    def broken_version(self) -> None:
        """The champion's file with an accident in it, registered without training; rolled out by hand."""
        record = self._records()[-1]
        if record.entry.origin != "derived":
            record = self._register_broken(self._champion())
        with self.calling(self._far, EVIDENCE) as pump:
            self._crowd(pump)
            self._follow(record, by_hand=True)

    # -- days ------------------------------------------------------------------------------------------

    @property
    def _far(self) -> date:
        """As far as the callers may go. The source's own copy has a day more."""
        return self.case.as_of + (self.case.weeks + self.case.reach) * WEEK

    def _arrive(self, first: date, last: date) -> None:
        """The days reach the platform, byte for byte, and are taken in."""
        raw = RawPartitions(self.services.storage, self.spec.name)
        for day in days_between(first, last):
            for source in self.spec.data.sources:
                self.services.storage.write(raw.path(source, day), self.copy.read(raw.path(source, day)))
        run = self.runs.start("features_range", **{"from": first.isoformat(), "to": last.isoformat()})
        self.runs.finish("features_range", run)

    @contextmanager
    def calling(self, until: date, per_second: float = 0.0) -> Iterator[Pump]:
        """Callers from where they were, in the background."""
        raw = RawPartitions(self.copy, self.spec.name)
        callers = self.callers(
            self.spec, raw, self.services.settings.gateway_url, self.token, self.case.path, self.case.every, self.case.step,
            per_second, self.tally, self.case.questions,
        )  # fmt: skip
        begins = date.fromisoformat(self.journal.facts.get("next_day", self.case.as_of.isoformat()))
        pump = Pump(callers, begins, until, self.home, self._keep)
        pump.start()
        try:
            yield pump
        finally:
            callers.per_second, pump.until = 0.0, min(pump.until, pump.next_day)
            pump.stop()
            self.say(
                f"{pump.next_day}: {self.tally.requests} requests, {self.tally.failed} failed, {self.tally.degraded} degraded"
            )

    def _crowd(self, pump: Pump) -> None:
        """More callers, from the next day on: a rollout collects its evidence."""
        pump.callers.per_second = EVIDENCE
        pump.callers.questions = self.case.crowd or self.case.questions

    def _keep(self, next_day: date) -> None:
        """Write down how far the callers are, so that an interrupted life goes on counting where it was."""
        self.journal.facts["next_day"], self.journal.facts["tally"] = next_day.isoformat(), asdict(self.tally)
        self.journal.save()

    # -- versions --------------------------------------------------------------------------------------

    def _follow(self, record: VersionRecord, by_hand: bool = False) -> None:
        """Until the version's rollout is over. Its event starts it, or `by_hand` we do."""
        found = self._rollout_of(record)
        if found is None or found.live:
            run = self.runs.start("rollout", version=record.version) if by_hand else self.runs.started("rollout")
            self.runs.finish("rollout", run, must=False)
            found = self._rollout_of(record)
        assert found is not None, f"version {record.version} got no rollout: see the log of its run's task `open`"
        self.say(f"version {record.version}: {found.state} in {found.stage}. {found.reason}")

    def _register_broken(self, champion: VersionRecord) -> VersionRecord:
        from include.governance.registration import Inputs, propose
        from include.governance.registry import register, resource

        ledger, lineage = self.services.ledger, champion.entry.lineage
        broken = break_file(champion, self.case.break_version, ledger, self.services.settings)
        inputs = Inputs(broken, lineage.training_set, lineage.evaluation)
        package = propose(ledger, self.spec, inputs, as_of=champion.entry.as_of, origin="derived")
        return register(self.control, self.services.registry(), package, self.control.take(resource(self.spec.name), "a case"))

    # -- reading ---------------------------------------------------------------------------------------

    def _champion(self) -> VersionRecord:
        record = versions.champion(self._records())
        assert record is not None
        return record

    def _records(self) -> list[VersionRecord]:
        """Every version, oldest first."""
        return versions.records(self.control, self.spec.name)

    def _rollout_of(self, record: VersionRecord | None) -> Rollout | None:
        """The version's newest rollout."""
        found = list_rollouts(self.control, self.spec.name)
        return next((one for one in reversed(found) if record is not None and one.challenger == record.version), None)

    def decided(self) -> Sequence[Decision]:
        return decisions(self.control, self.spec.name)

    def _decision(self, as_of: date) -> Decision | None:
        """The stored decision of the window that ends at `as_of`."""
        moment = datetime.combine(as_of, datetime.min.time())
        return next((one for one in self.decided() if datetime.fromisoformat(one.as_of) == moment), None)

    def say(self, words: str) -> None:
        self.journal.print_line(f"{self.case.name}: {words}")


# -- a broken file ---------------------------------------------------------------------------------------


def break_file(champion: VersionRecord, accident: Callable[[ModelProto], None], ledger: Ledger, settings: Settings) -> Ref:
    """Commit the champion's files to the ledger as another trained result, the accident put into its model."""
    source = champion.entry.lineage.train
    made = ledger.request(ledger.resolve(source).key)
    where: Json = f"{accident.__module__}:{accident.__qualname__}"
    request = Request.of(
        "train", f"{__name__}:run", made.model, params={**made.params, "accident": where}, inputs={"source": source}
    )
    ledger.record(request)
    return ledger.ref(perform(request, ledger.open_attempt(request.key, 0), ledger, settings))


def run(task: Task) -> Outcome:
    """The step of `break_file`. Params: `accident`, a reference to what breaks the model."""
    import onnx

    from include.backends.onnx.file import read_model
    from include.core.reference import load

    source = task.request.inputs["source"]
    made = task.ledger.resolve(source)
    files = {name: task.file("source", name) for name in made.files}
    model = onnx.load_model_from_string(read_model(files["model.onnx"]))
    load(task.params["accident"])(model)
    onnx.checker.check_model(model)
    files["model.onnx"] = task.workdir / "model.onnx"
    onnx.save(model, str(files["model.onnx"]))
    return Outcome({**made.value, "metrics": {}, "history": []}, files)


def change_outputs(model: ModelProto, factor: float, offset: float) -> None:
    """Every float output as factor * output + offset: another unit, the wrong way round."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    constants = {"accident_factor": factor, "accident_offset": offset}
    graph.initializer.extend(
        numpy_helper.from_array(np.array(number, dtype=np.float32), name) for name, number in constants.items()
    )
    for output in graph.output:
        if output.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        right, scaled = f"{output.name}_right", f"{output.name}_scaled"
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [right if name == output.name else name for name in names]
        graph.node.append(helper.make_node("Mul", [right, "accident_factor"], [scaled]))
        graph.node.append(helper.make_node("Add", [scaled, "accident_offset"], [output.name]))
