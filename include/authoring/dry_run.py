"""The steps of a model's life on a sample, one after the other, as the DAGs run them: what an author would meet there later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.authoring.findings import Inconclusive
from include.authoring.sample import Sample
from include.core.errors import DataError, SpecError, ValidationFailed
from include.core.ledger import Attempt
from include.core.nearest import did_you_mean
from include.core.partition import Partition
from include.core.reference import load
from include.core.request import Ref, Request, Result
from include.core.task import Task, perform
from include.core.time import ONE_DAY
from include.features.request import features_request
from include.model_contract.batch import Columns
from include.model_contract.encoder import Encoder
from include.model_contract.model import open_model
from include.point_in_time.known import OF_SET
from include.problems.of import beside_of, params_of
from include.problems.stated import stated
from include.row_rules.expectation import Expectation, load_suite
from include.training.checkpoint import CheckpointStore
from include.training.job import TrainingJob
from include.training.request import train_request
from include.training.train_step import read_rows, verify
from include.validation.batch import Batch, open_database
from include.validation.port import ExpectationRunner, open_expectations
from include.validation.scan import scan_batch
from include.validation.verdict import Check, SourceVerdict, refuse_broken

FIT_ROWS = 1000
ENCODED_ROWS = 200  # compared one by one
# Of errors on synthetic rows: what is wrong whatever the rows are. Any other may be the rows' fault.
DEFINITE = ("Parser Error", "Catalog Error", "does not give what the spec says", "gives no SQL", "must give", "more than once")
# Of a training set's errors: what more days may mend, and what of that they do not.
TOO_FEW = ("(training.window_days)", "no row to train on")
WRONG_ROWS = ("were known before their row was", "repeat another row's request_id")


class LazyRunner:
    """great_expectations, which takes seconds to import, where a rule needs it that SQL cannot judge."""

    @cached_property
    def _opened(self) -> ExpectationRunner:
        return open_expectations()

    def check(self, name: str, table: pa.Table, rules: Sequence[Expectation]) -> list[Check]:
        return self._opened.check(name, table, rules) if rules else []


def judge_newest_day(sample: Sample) -> str:
    """The rules of every source on the newest day. Raises SpecError for wrong rules, ValidationFailed for broken ones."""
    _refuse_unknown_sources(sample)
    day, told, reasons = sample.days[-1], [], []
    for source in sample.spec.data.sources:
        verdict = _judge(sample, source, day)
        told.append(f"{source} {len(verdict.checks)} rules, {verdict.quarantined} of {verdict.rows} rows set aside")
        reasons += [f"{source}: {reason}" for reason in verdict.reasons]
    if reasons and not sample.synthetic:
        raise ValidationFailed(
            f"{day} breaks rules that stop a day: {'; '.join(reasons)}.",
            safe="nothing was stored; the check works on a copy.",
            hint="correct the rule in expectations.py, or land the day again.",
        )
    return f"{'; '.join(told)}{' (synthetic rows: what they break says nothing)' if sample.synthetic else ''}"


def _refuse_unknown_sources(sample: Sample) -> None:
    known = (*sample.spec.data.sources, "training_set")
    declared = load(sample.spec.expectations)
    unknown = [name for name in declared if name not in known] if isinstance(declared, Mapping) else []
    if unknown:
        raise SpecError(
            f"The expectations are about {unknown[0]!r}, which is no source of {sample.spec.name}: they would never be asked.",
            seen=sorted(declared),
            safe="nothing was judged by them.",
            hint=did_you_mean(unknown[0], known, "names"),
        )


def _judge(sample: Sample, source: str, day: Partition) -> SourceVerdict:
    suite, path = load_suite(sample.spec.expectations, source), Path(sample.ledger.storage.uri(sample.raw.path(source, day)))
    with open_database() as database:
        batch = Batch(f"{source} of {day}", path, database)
        batch.check_schema(suite.rules)
        checks = scan_batch(source, batch, suite.rules, LazyRunner())
        refuse_broken(batch.name, checks)
        held = batch.quarantine(suite.rules, sample.settings.home / f"quarantine-{source}.parquet")
    return SourceVerdict.of(batch.rows, held, checks, suite)


def make_features(sample: Sample, day: Partition) -> Result:
    """A day's features, through the step itself. Raises Inconclusive where synthetic rows may be the reason that it fails."""
    request = features_request(sample.spec, day, sample.ledger.storage, Ref("", "", "validate"))
    try:
        return _perform(sample, request)
    except DataError as error:
        if not sample.synthetic or any(words in str(error) for words in DEFINITE):
            raise
        raise Inconclusive(
            f"the SQL fails on synthetic rows, which may be their fault: {error.what} {error.seen or ''}; land a day to know."
        ) from error


def make_training_set(sample: Sample, made: Mapping[Partition, Result]) -> Result:
    """Of all the sample's days. Raises Inconclusive where so few days hold too little to train on."""
    spec, days = sample.model, [*made]
    params = {
        "as_of": max(days).end.isoformat(),
        "window_days": -((min(days).start - max(days).end) // ONE_DAY),
        "holdout_days": max(1, len(days) // 4),
        "minimum_rows": 10,
        "features": spec.features.model_dump(mode="json"),
        "label": spec.label,
        **beside_of(spec),
        **params_of(spec),
    }
    inputs = {day.name: sample.ledger.ref(result) for day, result in made.items()}
    for each in sample.sets:
        inputs |= {f"{each.spec.name}{OF_SET}{day.name}": sample.ledger.ref(make_features(each, day)) for day in each.days}
    try:
        return _perform(sample, Request("training_set", "include.features.training_set_step:run", spec.name, params, inputs))
    except DataError as error:
        if any(words in error.what for words in WRONG_ROWS):
            raise
        if not any(words in error.what for words in TOO_FEW):
            if not sample.synthetic:
                raise
            raise Inconclusive(f"the rows are synthetic, which may be the reason: {error.what} Land a day to know.") from error
        raise Inconclusive(
            f"these days hold too little to train on: {error.what} More of them: --days {4 * len(days)}."
        ) from error


def training_job(sample: Sample, training_set: Result) -> TrainingJob:
    """The newest rows as `fit` gets them. Raises Inconclusive where there are too few to split."""
    folder = sample.settings.home / "fit"
    folder.mkdir()
    table = pq.read_table(sample.ledger.storage.uri(training_set.files["train.parquet"].path))
    pq.write_table(table.slice(max(0, len(table) - FIT_ROWS)), folder / "train.parquet")
    request = train_request(sample.model, sample.ledger.ref(training_set))
    task = Task(request, Attempt(request.key, 0, 1), sample.ledger, sample.settings, folder)
    try:
        train, validation, signature = read_rows(task, folder / "train.parquet")
    except DataError as error:
        if "Too few rows" not in error.what:
            raise
        raise Inconclusive(f"{error.what} More of them: --days.") from error
    _compare_encodings(Encoder.from_json(signature), pq.read_table(folder / "train.parquet"))
    store = CheckpointStore(sample.ledger.storage, task.attempt.checkpoints)
    asked = sample.model.training
    return TrainingJob(train, validation, signature, asked.params, store, folder / "model.onnx", asked.seed, workers=1)


def _compare_encodings(encoder: Encoder, table: pa.Table) -> None:
    """Training encodes tables, the gateway rows: they must agree."""
    newest = table.slice(max(0, len(table) - ENCODED_ROWS))
    rows, whole = encoder.encode_rows(newest.to_pylist()), encoder.encode_table(newest)
    if isinstance(rows, Columns) and isinstance(whole, Columns):
        differing = [each.name for each in encoder.inputs if not _equal(rows[each.name], whole[each.name])]
    else:
        differing = [
            each.name
            for each, where in zip(encoder.inputs, encoder.blocks, strict=True)
            if not _equal(np.asarray(rows)[:, where], np.asarray(whole)[:, where])
        ]
    if differing:
        raise DataError(
            f"Training and serving encode {', '.join(differing)} differently.",
            seen=[str(newest[name].type) for name in differing],
            safe="nothing was trained.",
            hint="give the feature the dtype in the spec that its SQL gives.",
        )


def _equal(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype != object))


def encoded_words(job: TrainingJob) -> str:
    """What the encoder made of the rows, and which inputs hold nothing in them."""
    rows, inputs = job.train.sample().features, job.inputs
    empty = [each.name for place, each in enumerate(inputs) if not each.is_category and bool(np.isnan(rows[:, place]).all())]
    categories = sum(each.is_category for each in inputs)
    held = f"; missing in every row: {', '.join(empty)}" if empty else ""
    texts = [str(item["name"]) for item in job.signature["inputs"] if item["dtype"] == "text"]
    read = f", and {', '.join(texts)} as text" if texts else ""
    return f"{len(inputs)} inputs, {categories} of them categories{read}; rows and tables are encoded alike{held}"


def fit(sample: Sample, job: TrainingJob) -> str:
    """The author's own fit. What it raises comes out."""
    load(sample.model.training.fit)(job)
    reported = f", {len(job.history)} steps reported" if job.history else ""
    return f"on {len(job.train):,} rows{reported}"


def compare_scores(job: TrainingJob) -> str:
    """The file's structure, its scores of odd rows, and that they are the model's own. Raises Inconclusive where it told none."""
    metrics = verify(job)
    _try_decision(job)
    size = f"{job.model_path.stat().st_size:,} bytes"
    if not job.expected:
        raise Inconclusive(f"the file is sound ({size}), but fit never calls job.expect(scores): nothing to compare it with.")
    name = job.problem.value.DEFAULT_METRIC
    value, metric = metrics.get(name), stated(job.problem, name)
    told = f"; {metric.title} {value:.2f}{metric.unit} on {len(job.validation):,} validation rows" if value is not None else ""
    return f"the file scores as the model does, missing and unknown values too ({size}){told}"


def _try_decision(job: TrainingJob) -> None:
    """The author's own decision function, if there is one, on the validation rows: training leaves it to the evaluation."""
    if getattr(job.problem.value, "decision", ""):
        for rows in job.validation.batches():
            job.problem.decide(open_model(job.model_path).score(rows.given))


def _perform(sample: Sample, request: Request) -> Result:
    sample.ledger.record(request)
    known = sample.ledger.result(request.key)
    return known or perform(request, sample.ledger.open_attempt(request.key, 0), sample.ledger, sample.settings)
