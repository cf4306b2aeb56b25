"""One version in memory: checked, opened and warm before it may answer anybody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np

from include.core.control import ControlStore
from include.core.errors import DataError, SlipstreamError, TransientError, UnreachableError, one_line
from include.core.ledger import Ledger
from include.core.request import Ref, Result
from include.core.spec import Feature, ModelSpec, View
from include.explanations import background
from include.model_contract.batch import Columns, Encoded, Floats
from include.model_contract.definition import fallback_views, views_of_model
from include.model_contract.encoder import Encoder
from include.model_contract.model import open_model, open_remote
from include.model_contract.remote import REMOTE, Remote, model_file
from include.problems.of import of_params
from include.retrieval.version import FILES, Retrieval, open_retrieval
from include.serving.models.answers import Answers, Output, is_plain
from include.serving.models.computing import Computing, open_computing
from include.serving.models.patient import Patient
from include.versions.given_up import require_kept
from include.versions.queries import stored

Signed = tuple[str, tuple[str, ...]]  # a kind of problem, as `problem.kind` in the spec, and the names of the outputs
WARM_RUNS = 20
INT8 = "model.int8.onnx"  # what the evaluation wrote, if it let an INT8 variant through


class Scorer(Protocol):
    def score(self, features: Encoded) -> Floats: ...


class ModelError(SlipstreamError):
    """A loaded model gave no usable score for a row: the next version answers instead."""


class Unanswered(ModelError):
    """The server of a remote version gave no answer, whatever the rows: asking for each of them would change nothing."""


class AwayError(DataError):
    """A version cannot be loaded while its server does not answer: it is tried again."""


@dataclass(frozen=True)
class LoadedModel:
    version: int
    digest: str  # of model.onnx, or of the record of a remote model
    encoder: Encoder
    scorer: Scorer = field(repr=False)
    width: int = 0  # numbers of a row, where it takes one tensor
    bytes: int = 0  # of its file, and of what it brings beside it
    run_us: float = 0.0  # microseconds of scoring one row, once warm
    misfit: str = ""  # why nobody can compute the features it was trained on
    views: tuple[View, ...] | None = None  # what it reads online, by the versions it pins; None: the spec's
    inputs: tuple[Feature, ...] | None = None  # what a row of it has; None: the spec's
    answers: Answers | None = None  # of its kind of problem; None: plain binary
    retrieval: Retrieval | None = None  # what it recommends from; None: it brings nothing
    remote: Remote | None = None  # where it is, if another server scores; its scorer is for those who may wait
    name: str = ""  # of the model that it is a version of
    computing: Computing | None = None  # what it computes of a request; None: nothing
    background: Encoded | None = None  # the rows that its answers are explained against; None: they are not explained

    def compute(self, rows: Iterable[dict[str, Any]], moment: datetime) -> None:
        """Fill in what is computed of each row, as it was asked at that moment (UTC, no zone)."""
        if self.computing is not None:
            for row in rows:
                self.computing(row, moment)

    def score_rows(self, rows: Sequence[Sequence[float]] | Encoded) -> Floats:
        """Encoded rows, float32 [n, width] or columns, to outputs float32 [n] or [n, k]. Raises ModelError, whatever happens."""
        try:
            scores = self.scorer.score(rows if isinstance(rows, Columns) else np.asarray(rows, dtype=np.float32))
        except Exception as error:  # a vendor's runtime may raise anything: no caller may see it
            raise self._failed(error) from error
        self.check(scores, len(rows))
        return scores

    def check(self, scores: Floats, rows: int) -> None:
        """Raises ModelError for outputs that are none of so many rows."""
        if self.answers is not None:
            self._check(scores, rows, self.answers)
        elif scores.shape != (rows,) or not (np.isfinite(scores) & (scores >= 0) & (scores <= 1)).all():
            raise ModelError(f"version {self.version} gave no probability: {scores.tolist()!r:.200}")

    def encoded(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Rows that hold every input by name, as the model takes them. Raises ModelError."""
        try:
            return self.encoder.encode_rows(rows)
        except Exception as error:
            raise ModelError(f"version {self.version} cannot encode the row: {str(error)[:200]}") from error

    def score_all(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Output]:
        """Rows that hold every input by name, to the outputs of each, in one run. Raises ModelError if any of them fails."""
        try:
            said = self.scorer.score(self.encoder.encode_rows(rows))
            scores: list[float] = said.tolist()
        except Exception as error:
            raise self._failed(error) from error
        if self.answers is not None:
            self._check(said, len(rows), self.answers)
        elif len(scores) != len(rows) or not all(0.0 <= score <= 1.0 for score in scores):  # false for NaN, too
            raise ModelError(f"version {self.version} gave no probability: {scores!r:.200}")
        return scores

    def score_row(self, row: Mapping[str, Any]) -> Output:
        """The same for one row of named values."""
        if self.encoder.form == "columns":
            return self.score_all([row])[0]
        try:
            encoded = self.encoder.encode_row(row)
        except Exception as error:
            raise ModelError(f"version {self.version} cannot encode the row: {str(error)[:200]}") from error
        found: Output = self.score_rows([encoded])[0].tolist()
        return found

    def _failed(self, error: Exception) -> ModelError:
        kind = Unanswered if isinstance(error, TransientError) else ModelError
        return kind(f"version {self.version} failed: {str(error).strip()[:200]}")

    def _check(self, said: Floats, rows: int, answers: Answers) -> None:
        """Raises ModelError for outputs that are none of the problem's: they count against this version."""
        wrong = answers.problem.check(said, rows)
        if wrong:
            raise ModelError(f"version {self.version} gave {wrong}")


def load_model(control: ControlStore, ledger: Ledger, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
    """Fetch a registered version's files with their digests, check that it fits the spec, open and warm it.

    Raises DataError or IntegrityError for a model that must not serve, TransientError if a store does not answer.
    """
    record = stored(control, spec.name, version)
    require_kept(control, spec.name, version)
    result = trained = ledger.resolve(Ref.from_json(record["train"]))
    signature = json.loads(ledger.fetch(result, "signature.json", scratch).read_bytes())
    result, name = _variant(ledger, record, result)
    file = ledger.fetch(result, name, scratch)
    size = file.stat().st_size
    remote = Remote.from_json(json.loads(file.read_bytes())) if name == REMOTE else None
    scorer: Scorer = open_model(file) if remote is None else Patient(open_remote(remote, hurry=True))
    encoder = Encoder.from_json(signature)
    digest, width = result.files[name].digest, encoder.width
    _check_outputs(spec, version, signature)
    views, misfit = _views(spec, version, signature)
    inputs = tuple(Feature(name=each.name, dtype=each.dtype, default=each.default) for each in encoder.inputs)
    answers = None if is_plain(spec) else Answers(spec)
    shipped = {each: ledger.fetch(trained, each, scratch) for each in FILES if each in trained.files}
    size += sum(path.stat().st_size for path in shipped.values())
    retrieval = open_retrieval(shipped, encoder)
    model = LoadedModel(
        version, digest, encoder, scorer, width, size, misfit=misfit, views=views, inputs=inputs, answers=answers,
        retrieval=retrieval, remote=remote, name=spec.name, computing=open_computing(signature, spec.features),
        background=_background(ledger, spec, record, encoder, scratch),
    )  # fmt: skip
    if isinstance(scorer, Patient):
        _check_remote(scorer, version)
    return replace(model, run_us=_warm(model, spec))


def _views(spec: ModelSpec, version: int, signature: Mapping[str, Any]) -> tuple[tuple[View, ...], str]:
    """What the model reads online, and why that is not what it was trained on."""
    if not signature.get("views"):
        _check_inputs(spec, version, signature)  # nothing but the spec says what it is fed with

    try:
        return views_of_model(signature, spec.features), ""
    except DataError as error:
        _check_inputs(spec, version, signature)
        return fallback_views(signature, spec.features), one_line(error)


def _variant(ledger: Ledger, record: Mapping[str, Any], trained: Result) -> tuple[Result, str]:
    """Where the version's model file is: the evaluation's INT8 variant if that passed its gate, else what was trained."""
    if "evaluation" in record:
        evaluated = ledger.resolve(Ref.from_json(record["evaluation"]))
        if INT8 in evaluated.files:
            return evaluated, INT8
    return trained, model_file(trained.files)


def _background(ledger: Ledger, spec: ModelSpec, record: Mapping[str, Any], encoder: Encoder, scratch: Path) -> Encoded | None:
    """The rows that the evaluation kept to explain answers against; None where nobody may ask, or none were kept."""
    if spec.serving.explain is None or "evaluation" not in record:
        return None
    evaluated = ledger.resolve(Ref.from_json(record["evaluation"]))
    if background.FILE not in evaluated.files:
        return None
    return encoder.encode_table(background.read_background(ledger.fetch(evaluated, background.FILE, scratch)))


def _check_inputs(spec: ModelSpec, version: int, signature: Mapping[str, Any]) -> None:
    """The signature must be the spec's inputs: a model of other features would answer nonsense, quietly."""
    seen = [(column["name"], column["dtype"]) for column in signature["inputs"]]
    wanted = [(feature.name, feature.dtype) for feature in spec.features.inputs]
    if seen != wanted:
        different = sorted({name for name, _ in set(seen) ^ set(wanted)}) or ["the order"]
        raise DataError(
            f"The signature of {spec.name} version {version} does not fit the features this gateway serves: {different}.",
            safe="it answers nobody.",
            hint="train a version on the present features, or restart the gateway on the code that has the others.",
        )


def _check_outputs(spec: ModelSpec, version: int, signature: Mapping[str, Any]) -> None:
    """The signature must be of the spec's problem: an answer would else be read as something that it is not."""
    other = of_params(signature)
    seen, wanted = (other.value.kind, other.outputs), (spec.problem.kind, spec.problem.outputs)
    if seen != wanted:
        raise DataError(
            f"{spec.name} version {version} was trained for another problem than the spec states: {_differs(seen, wanted)}.",
            seen={"problem": seen[0], "outputs": list(seen[1])},
            safe="it answers nobody.",
            hint="train a version for the present problem, or restart the gateway on the code that has the other.",
        )


def _differs(seen: Signed, wanted: Signed) -> str:
    if seen[0] != wanted[0]:
        return f"it is {seen[0]}, not {wanted[0]}"
    gone, lacking = ([name for name in one[1] if name not in other[1]] for one, other in ((seen, wanted), (wanted, seen)))
    if lacking:
        return f"it does not give {lacking}"
    return f"it gives {gone} too" if gone else f"it gives {list(seen[1])} in that order, not {list(wanted[1])}"


def _check_remote(scorer: Patient, version: int) -> None:
    """Raises AwayError where the server does not answer, DataError where its model is another than was registered."""
    try:
        scorer.check()
    except UnreachableError as error:
        raise AwayError(
            f"version {version} waits for its server: {error.what}", safe="other versions answer.", hint=error.hint
        ) from error


def _warm(model: LoadedModel, spec: ModelSpec) -> float:
    """The first runs allocate; and a model that cannot score a row of defaults is no model. Returns the fastest, in us."""
    row: dict[str, Any] = {feature.name: feature.default for feature in model.inputs or spec.features.inputs}
    try:
        rows = model.encoder.encode_rows([row])
        if model.remote is not None:  # once: each run is a call of another server
            return _timed(model, rows)
        for _ in range(WARM_RUNS):
            model.score_row(row)
        return min(_timed(model, rows) for _ in range(WARM_RUNS))
    except Unanswered as error:
        raise AwayError(f"version {model.version} waits for its server: {error.what}", safe="other versions answer.") from error
    except ModelError as error:
        raise DataError(f"{spec.name} does not answer a row of default values: {error}", safe="it answers nobody.") from error


def _timed(model: LoadedModel, rows: Encoded) -> float:
    started = perf_counter_ns()
    model.score_rows(rows)
    return (perf_counter_ns() - started) / 1000
