"""A home with many models and a year behind them, written directly: what the console is measured on, and shown with.

    python -m benchmarks.console.home FOLDER [--models 100] [--weeks 52]

Each model has a day published for each of the weeks' days with its verdict, a version a month with its training set of thirty
days, its evaluation, its cost and its rollout, and for each week a monitored window and its decision. The specs are those of the
package `bench_models` in the folder; `environ` says what a process sets to work with it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from benchmarks.console import values
from benchmarks.console.rows import PRICES, Chain, Rows, add_version, set_champion
from benchmarks.console.spec import spec_of
from benchmarks.console.written import WrittenLedger, ref, text
from include.core import control as store
from include.core.control import ControlStore
from include.core.digest import digest_bytes
from include.core.partition import Partition
from include.core.request import Ref, Result
from include.core.spec import Approval, ModelSpec
from include.core.time import utc_now
from include.monitoring.alarm import VERDICTS, alarms
from include.monitoring.windows import WINDOWS
from include.monitoring.windows import found as window_of
from include.rollout.approvals import ask
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.plan import rollout_stages
from include.validation.kept import VERDICTS as VERDICT
from include.validation.kept import KeptVerdict
from include.versions.lifecycle import Stage
from include.versions.queries import records
from include.versions.record import Entry, Gate, Lineage, VersionRecord

PACKAGE = "bench_models"
WINDOW_DAYS = 30  # of a training set
EVERY_WEEKS = 4  # a version
SPEC = """from datetime import date

from benchmarks.console.spec import spec_of

SPEC = spec_of({name!r}, date.fromisoformat({first!r}))
"""


@dataclass(frozen=True)
class Size:
    models: int = 100
    weeks: int = 52

    @property
    def first(self) -> date:
        """The Monday so many weeks before the newest one."""
        today = utc_now().date()
        return today - timedelta(days=today.weekday() + 7 * self.weeks)

    @property
    def names(self) -> list[str]:
        return [f"model_{number:03d}" for number in range(self.models)]


def environ(home: Path) -> dict[str, str]:
    """What a process sets to work with it; its PYTHONPATH holds the folder too."""
    price = {f"SLIPSTREAM_COST_{name.upper()}": str(getattr(PRICES, name)) for name in ("currency", "cpu_hour")}
    return {"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_MODELS": PACKAGE, "SLIPSTREAM_JOB_BACKEND": "process", **price}


def make_home(home: Path, size: Size = Size()) -> ControlStore:
    """Fill the folder, which is to be empty."""
    package = home / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    control, chain = ControlStore(f"sqlite:///{home / 'control.db'}"), Chain()
    control.create_tables()
    rows, ledger = Rows(), WrittenLedger(home / "store")
    for name in size.names:
        (package / name).mkdir()
        (package / name / "__init__.py").touch()
        (package / name / "spec.py").write_text(SPEC.format(name=name, first=size.first.isoformat()))
        _Year(spec_of(name, size.first), ledger, rows, chain).live(size.weeks)
    rows.insert(control, chain)
    if size.weeks >= 2 * EVERY_WEEKS:
        wait_for_a_person(control, spec_of(size.names[0], size.first))
    return control


def wait_for_a_person(control: ControlStore, spec: ModelSpec) -> None:
    """The newest version of a model is offered again, and stands before all traffic."""
    asking = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"approval": Approval(before="full", persons=2)})})
    version = newest_archived(control, spec.name)
    epoch = control.take(f"rollout/{spec.name}", "bench")
    rollout = open_rollout(control, asking, version, request="bench", actor="bench", epoch=epoch, by_hand=True)
    for stage in rollout.stages[:-1]:
        enter_stage(control, rollout, stage.name, epoch)
        record_verdict(
            control, rollout, stage.name, {"answer": "promote", "reasons": ["no more errors than the champion"]}, epoch
        )
    ask(control, rollout, epoch)


def newest_archived(control: ControlStore, model: str) -> int:
    return max(record.version for record in records(control, model) if record.stage is Stage.ARCHIVED)


@dataclass
class _Year:
    """Of one model."""

    spec: ModelSpec
    ledger: WrittenLedger
    rows: Rows
    chain: Chain

    def live(self, weeks: int) -> None:
        days: dict[str, Ref] = {}
        first = self.spec.data.first
        champion = 0
        for week in range(weeks):
            for number in range(7 * week, 7 * week + 7):
                day = first + timedelta(days=number)
                days[str(day)] = self._day(day, number)
            if week % EVERY_WEEKS == EVERY_WEEKS - 1:
                champion = self._version(days, week // EVERY_WEEKS + 1, champion)
            if champion:
                self._window(first + timedelta(days=7 * week), champion, week)
        if champion:
            set_champion(self.rows, self.spec.name, champion, _at(first + timedelta(days=7 * weeks)))

    def _day(self, day: date, number: int) -> Ref:
        model, partition, at = self.spec.name, Partition.of_day(day), _at(day + timedelta(days=1))
        digests = {}
        for source in self.spec.data.sources:
            data = f"{model} {source} {day}".encode()
            self.ledger.write(f"raw/{model}/{source}/{partition.path}/part.parquet", data)
            digests[source] = digest_bytes(data)
        value = values.verdict(str(day), number)
        counts = {name: each["quarantined"] for name, each in value["sources"].items() if each["quarantined"]}
        held = {f"quarantine-{name}.parquet": values.set_aside(count) for name, count in counts.items()}
        judged = self.ledger.commit("validate", model, at, params={"day": str(day), "sources": digests}, value=value,
                                    files={"docs.html": b"<p>docs</p>", **held})  # fmt: skip
        kept = VERDICT.format.stamp(KeptVerdict.of(judged).to_json())
        self.rows.add(store.documents, key=f"verdict/{judged.key}/0", kind=VERDICT.name, subject=model, body=kept, at=at)
        params = {"day": str(day), "partitions": {name: {str(day): each} for name, each in digests.items()}, "features": {}}
        rows = {"view_0": 4_000, "view_1": 4_000, "view_2": 4_000, "entities": 4_000, "labels": 3_900}
        files = {f"{name}.parquet": f"{name} {model} {day}".encode() for name in ("view_0", "labels")}
        made = self.ledger.commit("features", model, at, params=params, value={"day": str(day), "rows": rows},
                                  inputs={"verdict": ref(judged)}, files=files)  # fmt: skip
        extent = {"day": partition.name, "starts": partition.start.isoformat(), "ends": partition.end.isoformat()}
        self.rows.add(store.partitions, model=model, **extent, ref=ref(made).to_json(), digest=made.digest, rows=rows, at=at)
        return ref(made)

    def _version(self, days: dict[str, Ref], number: int, champion: int) -> int:
        """Registered, and rolled out unless it is a third one. The version in production from then on."""
        model, names = self.spec.name, sorted(days)[-WINDOW_DAYS:]
        at, inputs = _at(date.fromisoformat(names[-1]) + timedelta(days=1)), {name: days[name] for name in names}
        data = self.ledger.commit("training_set", model, at, params={"as_of": at, "window_days": WINDOW_DAYS}, inputs=inputs,
                                  value=values.trained_on(names[0], names[-1], len(names)),
                                  files=_tables(model, number))  # fmt: skip
        trained = self._trained(ref(data), number, at)
        judged = self.ledger.commit("evaluate", model, at, params={}, inputs={"training_set": ref(data), "train": ref(trained)},
                                    value=values.evaluation(number), files={"report.html": b"<h1>report</h1>"})  # fmt: skip
        lineage = Lineage(
            ref(trained), ref(data), ref(judged), schema="s" * 64, code="c" * 64, params=f"{number:064x}", commit="abc123"
        )
        entry = Entry(model, at[:19], lineage, Gate(True), judged.value["metrics"])
        serves = number % 3 != 0 or not champion
        stage = Stage.PRODUCTION if serves else Stage.ARCHIVED
        for row in self.rows.of.get(store.versions, []) if serves else []:
            if row["model"] == model and row["stage"] == str(Stage.PRODUCTION):
                row["stage"], row["record"]["stage"] = str(Stage.ARCHIVED), str(Stage.ARCHIVED)
        record = VersionRecord(entry, number, f"1.{number}.0", stage, f"run{number}", at)
        add_version(self.rows, self.chain, record, rollout_stages(self.spec), serves)
        return number if serves else champion

    def _trained(self, data: Ref, number: int, at: str) -> Result:
        inputs = [{"name": name, "dtype": "float", "default": 0.0} for name in values.COLUMNS]
        signature = {"inputs": inputs, "output": "score", "label": "late", "schema": "s" * 64}
        files = {"model.onnx": f"{self.spec.name} {number}".encode(), "signature.json": text(signature)}
        params = {"features": list(values.COLUMNS), "training": {"fit": "m:fit", "params": {"hidden": 8 + number}, "seed": 7}}
        return self.ledger.commit("train", self.spec.name, at, params=params, inputs={"training_set": data},
                                  value={"metrics": {"loss": 0.4}}, files=files, seconds=620.0)  # fmt: skip

    def _window(self, start: date, champion: int, number: int) -> None:
        model, end = self.spec.name, start + timedelta(days=7)
        window, at = f"{start}/{end}", _at(end)
        value = values.monitored(window, f"{end}T00:00:00", champion, number, int(model.rpartition("_")[2]))
        found = self.ledger.commit("monitor", model, at, params={"window": window, "champion": champion}, value=value,
                                   files={"report.html": b"<h1>drift</h1>"})  # fmt: skip
        action, evidence = "retrain" if number % 13 == 12 else "hold", values.decision(value, number)
        self.rows.add(store.decisions, key=f"{model}:{window}", model=model, as_of=f"{end}T00:00:00", action=action, reasons=[],
                      evidence=evidence, at=at)  # fmt: skip
        self.chain.add(at, "policy", action, model, {"key": f"{model}:{window}", "words": evidence["words"]})
        shown = WINDOWS.format.stamp(window_of(found, 0.01))
        self.rows.add(store.documents, key=f"window/{model}/{value['as_of']}/{at}/{found.key[-12:]}/0", kind=WINDOWS.name,
                      subject=model, body=shown, at=at)  # fmt: skip
        body = {"as_of": value["as_of"], "alarms": alarms(found.value, 0.01), "labelled": 0.95, "at": at}  # type: ignore[arg-type]  # its shape
        self.rows.add(store.documents, key=f"monitored/{found.key}/0", kind=VERDICTS.name, subject=model,
                      body=VERDICTS.format.stamp(body), at=at)  # fmt: skip


def _tables(model: str, number: int) -> dict[str, bytes]:
    return {name: f"{name} {model} {number}".encode() for name in ("train.parquet", "holdout.parquet")}


def _at(day: date) -> str:
    """Three in the morning."""
    return f"{datetime.combine(day, datetime.min.time()) + timedelta(hours=3):%Y-%m-%dT%H:%M:%S}.000+00:00"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.console.home")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=Size.models)
    parser.add_argument("--weeks", type=int, default=Size.weeks)
    options = parser.parse_args(argv)
    make_home(options.folder, Size(options.models, options.weeks))
    print("\n".join(f"{name}={value}" for name, value in environ(options.folder).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
