"""The `validate` step: one day's raw partitions against the model's expectations."""

from __future__ import annotations

from pathlib import Path

from include.core.partition import Partition
from include.core.request import Outcome
from include.core.task import Task
from include.data.raw import RawPartitions
from include.row_rules.expectation import Suite, load_suite
from include.validation.batch import Batch, open_database
from include.validation.page import verdict_page
from include.validation.port import ExpectationRunner, open_expectations
from include.validation.scan import check_batch
from include.validation.verdict import SourceVerdict, refuse_broken, verdict_value


def run(task: Task) -> Outcome:
    """Judge every source of `day`; set its bad rows aside.

    Params: `day` (with `start` and `end` where it is no day of UTC), `sources` {source: digest of the raw partition},
    `expectations` (reference); optional `empty_days`.
    A batch that fails is a committed verdict with `passed` false: `raise_if_failed` turns it into an error afterwards.
    Raises DataError for a partition that cannot be read, PermanentError for a check that cannot be evaluated.
    """
    day, sources = str(task.params["day"]), sorted(task.params["sources"])
    runner = open_expectations()
    files: dict[str, Path] = {}
    verdicts: dict[str, SourceVerdict] = {}
    database = open_database()
    batches = {name: Batch(f"{name} of {day}", _fetch(task, name), database) for name in sources}
    for name, batch in batches.items():
        suite = load_suite(str(task.params["expectations"]), name)
        quarantine = task.workdir / f"quarantine-{name}.parquet"
        verdicts[name] = judge(name, batch, suite, runner, quarantine)
        if quarantine.exists():
            files[quarantine.name] = quarantine
    value = verdict_value(day, verdicts)
    files["docs.html"] = task.workdir / "docs.html"
    files["docs.html"].write_text(verdict_page(f"{task.request.model}: data of {day}", value))
    return Outcome(value, files)


def judge(name: str, batch: Batch, suite: Suite, runner: ExpectationRunner, quarantine: Path) -> SourceVerdict:
    """One batch's verdict; its bad rows go to `quarantine`, a file that is made only if there are any."""
    batch.check_schema(suite.rules)
    checks = check_batch(name, batch, suite.rules, runner)
    refuse_broken(batch.name, checks)
    return SourceVerdict.of(batch.rows, batch.quarantine(suite.rules, quarantine), checks, suite)


def _fetch(task: Task, source: str) -> Path:
    raw = RawPartitions(task.storage, task.request.model, bool(task.params.get("empty_days")))
    return raw.fetch(source, Partition.read(task.params), str(task.params["sources"][source]), task.workdir / "raw")
