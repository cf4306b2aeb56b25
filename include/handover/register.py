"""Registering a model that was trained elsewhere: from Python, by `slipstream register`, and by RegisterModelOperator.

    from include.handover.register import register

    done = register("flight_delay", "models:/late_flights/3", as_of="2013-04-01", trained_until="2013-03-01")
    done = register("flight_delay", fitted_classifier, categories={"carrier": ["AA", "UA"]})

Nothing is unpickled: an address leads to an ONNX file, an XGBoost model in JSON or a LightGBM model in text; an estimator in
memory is the caller's own. Killed at any point and done again, it makes one version: each part is found that is there.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from include.core import fault
from include.core.acts import acts_in
from include.core.advisory_lock import exclusive
from include.core.errors import DataError
from include.core.request import Json, Ref
from include.core.scratch import scratch_folder
from include.core.spec import ModelSpec
from include.core.time import parse_time, utc
from include.evaluation.unlabelled_step import unlabelled_request
from include.governance.conversion import write_served
from include.governance.import_step import import_request, store
from include.governance.imported import Statement, propose_imported, rows_of
from include.governance.package import Package
from include.governance.registry import register as register_package
from include.governance.registry import resource
from include.handover import results
from include.handover.contract import Categories, check_names, contract
from include.handover.remote import described, is_address, try_rows, write
from include.handover.source import Obtained, obtain
from include.model_contract.encoder import Encoder
from include.problems.of import of_params
from include.services.services import Services
from include.versions import queries
from include.versions.record import VersionRecord

LOCK_SECONDS = 30.0  # that others are waited for who register the model: it uploads files
Moment = str | date | datetime | None


@dataclass(frozen=True)
class Registered:
    """A version, new or found. `evaluated`: whether it was measured on labelled rows; `source`: SHA-256 of the file."""

    record: VersionRecord
    package: Package
    source: str
    evaluated: bool

    @property
    def version(self) -> int:
        return self.record.version

    @property
    def is_candidate(self) -> bool:
        """Whether its gate is open, so that its rollout may follow: the version's own and that of this evaluation."""
        return self.record.entry.gate.passed and self.package.entry.gate.passed

    def to_json(self) -> dict[str, Json]:
        return {**self.record.to_json(), "source": self.source, "evaluated": self.evaluated}


@dataclass(frozen=True)
class Asked:
    """What a registration is asked for, its times read. See `register`."""

    as_of: datetime | None = None
    trained_until: datetime | None = None
    training_set: Ref | None = None
    categories: Categories | None = None
    evaluate: bool = True
    by: str = ""
    run_type: str = ""
    commit: str = ""


def register(
    model: str,
    given: object,
    *,
    services: Services | None = None,
    as_of: Moment = None,
    trained_until: Moment = None,
    categories: Categories | None = None,
    evaluate: bool = True,
    by: str = "",
) -> Registered:
    """Register a model that was trained elsewhere as a version of `model`, evaluated and gated as one that was trained here.

    :param given: a path, s3://bucket/key, models:/name/3, models:/name@alias, runs:/RUN/model, or
        oip://NAME/MODEL/versions/3 of a model that stays on another server (docs/remote.md); or a fitted estimator of
        scikit-learn, XGBoost or LightGBM
    :param as_of: the moment of the training set whose holdout it is evaluated on; by default the end of the newest published day
    :param trained_until: the newest row that it was trained on; the gate stays closed while nobody has said so, or if that lies
        within the holdout
    :param categories: by feature the values that its codes stand for, 1 the first; by default those of the training set
    :param evaluate: False registers it without: its gate is closed then
    :param by: who registers it, for the audit chain; by default the user of this process
    Raises DataError or IntegrityError for a model that is not read, or does not fit the spec: nothing is registered then.
    """
    asked = Asked(
        moment(as_of), moment(trained_until), None, categories, evaluate, by or f"{getpass.getuser()} (Python)"
    )  # fmt: skip
    opened = services or Services.from_env()
    made = prepare(opened, model, given, asked)
    with exclusive(opened.control, resource(model), asked.by, LOCK_SECONDS) as epoch:
        record = register_package(opened.control, opened.registry(), made.package, epoch)
    return Registered(record, made.package, made.source, made.evaluated)


@dataclass(frozen=True)
class Prepared:
    """A version that is proposed, the digest of the file it came as, and whether it was evaluated on labelled rows."""

    package: Package
    source: str
    evaluated: bool


def prepare(services: Services, model: str, given: object, asked: Asked) -> Prepared:
    """All before the registration itself: the file is fetched, checked, kept, converted, evaluated."""
    spec = services.spec(model)
    with scratch_folder(services.settings.scratch()) as folder:
        remote = described(services, spec, given) if isinstance(given, str) and is_address(given) else None
        if remote is None:
            obtained = obtain(services, given, tuple(each.name for each in spec.features.inputs), folder)
            check_names(spec, obtained.inputs, obtained.uri)
        else:
            obtained = Obtained(write(remote, folder), remote.address)
        rows = asked.training_set
        if rows is None and asked.evaluate:
            rows = results.training_set(services, spec, asked.as_of)
        signature = contract(services.ledger, spec, asked.categories or {}, rows, remote.form if remote else None)
        if remote is not None:
            try_rows(services, spec, remote, signature)
        # Before anything of it is kept.
        write_served(obtained.path, Encoder.from_json(signature), folder / "checked.onnx", of_params(signature))
        kept = store(services.storage, model, obtained.path, uri=obtained.uri, by=asked.by)
    fault.point("import.stored")
    imported = results.computed(services, import_request(model, kept, signature))
    until = asked.trained_until or _said_before(services, model, kept.digest)
    statement = Statement(asked.by, obtained.uri, until)
    return Prepared(_judged(services, spec, imported, rows, statement, asked), kept.digest, rows is not None)


def _judged(services: Services, spec: ModelSpec, imported: Ref, rows: Ref | None, statement: Statement, asked: Asked) -> Package:
    backfill = asked.run_type == "backfill"
    if rows is not None:
        evaluation = results.evaluation(services, spec, imported, rows, compare=not backfill)
    else:
        evaluation = results.computed(services, unlabelled_request(spec, imported, _why(spec, asked)))

    def propose(evaluation: Ref, rows: Ref | None) -> Package:
        held = results.holdout(services, rows) if rows is not None else None
        return propose_imported(
            services.ledger, spec, imported, evaluation, statement, holdout=held, run_type=asked.run_type, commit=asked.commit
        )

    package = propose(evaluation, rows)
    known = queries.find(services.control, package.key) if rows is None else None
    if known is not None and (before := rows_of(services.ledger, known)) is not None:  # what was measured stands
        package = propose(known.entry.lineage.evaluation, before)
    return package


def moment(given: Moment) -> datetime | None:
    """UTC without a zone. Raises DataError for what is no time."""
    if given is None or given == "":
        return None
    if isinstance(given, datetime):
        return utc(given)
    return parse_time(str(given))


def _why(spec: ModelSpec, asked: Asked) -> str:
    """Why there are no labelled rows."""
    rollout = f'to roll it out all the same, `slipstream restore {spec.name} VERSION --despite-gate --reason "..."`'
    if not asked.evaluate:
        return f"it was registered without an evaluation, as asked; {rollout}"
    if not spec.data.sources:
        return f"the features of {spec.name} are not managed here, so there are no rows with labels; {rollout}"
    return f"no day of {spec.name} is published, so there are no rows with labels; register it again once there are, or {rollout}"


def _said_before(services: Services, model: str, digest: str) -> datetime | None:
    """Until when the same bytes were trained, as somebody has said of them before."""
    with services.control.transaction() as connection:
        acts = acts_in(connection, model, ("register", "evaluate_again"))
    said = [act.detail["trained_until"] for act in acts if act.detail.get("source") == digest and act.detail.get("trained_until")]
    return parse_time(said[-1]) if said else None


def read_categories(path: Path) -> Mapping[str, list[str]]:
    """Vocabularies from a JSON file: {feature: [value, ...]}. Raises DataError."""
    import json

    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"The categories at {path} cannot be read: {type(error).__name__}.",
            seen=str(error)[:200], safe="nothing was registered.", hint='write {"colour": ["blue", "red"]}.',
        ) from error  # fmt: skip
    if not isinstance(value, dict) or not all(isinstance(each, list) for each in value.values()):
        raise DataError(f"The categories at {path} are no lists by feature.", seen=value, safe="nothing was registered.")
    return value
