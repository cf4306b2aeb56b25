"""`slipstream check`: in seconds, what is wrong with a model's folder. Nothing is stored: it works on a copy, in scratch."""

from __future__ import annotations

from contextlib import ExitStack

from include.authoring import dry_run, elsewhere, profile
from include.authoring.findings import Finding, Inconclusive, Report
from include.authoring.model_dags import check_dags, has_airflow
from include.authoring.sample import Sample, open_sample
from include.authoring.spec_imports import check_imports
from include.core.errors import SpecError
from include.core.partition import Partition
from include.core.reference import load
from include.core.request import Result
from include.core.spec import FeatureSet, ModelSpec, PartitionOwner
from include.data.session import open_session
from include.local.environment import quiet
from include.point_in_time.computed import request_features
from include.problems.of import uses_of
from include.services.services import Services
from include.serving.models.computing import checked_computing
from include.step_values.features import label_words
from include.training.job import TrainingJob

DAYS = 8  # of what has landed


def check_model(model: str, services: Services, *, days: int = DAYS, fit: bool = True, dags: bool = True) -> Report:
    """Every check of one model, whatever the others found; what needs another's outcome is skipped without it.

    `days`: how many of the newest landed days are read. `fit`: whether to train on 1,000 rows. `dags`: whether to ask Airflow.
    Raises nothing for what is wrong with the model.
    """
    quiet()
    report = Report(model)
    spec = report.run("spec", lambda finding: _owner(finding, model, services))
    report.run("imports", lambda finding: finding.say(check_imports(model, services.settings)), "spec")
    if isinstance(spec, ModelSpec):
        _profile(report, spec, services)
        for name, look in elsewhere.checks(spec, services.settings.environ):
            _named_elsewhere(report, name, look)
    with ExitStack() as stack:
        if spec is not None:
            report.run("code", lambda finding: _code(finding, spec), "spec")
            sample = report.run("sample", lambda finding: _sample(finding, spec, services, days, stack), "code")
            if sample is not None:
                made = _days(report, sample)
                if not isinstance(spec, FeatureSet):
                    _steps(report, sample, made, fit=fit)
    report.run("dags", lambda finding: _dags(finding, model, services, asked=dags), "spec")
    return report


def _profile(report: Report, spec: ModelSpec, services: Services) -> None:
    """A line for the whole, and one for each thing that a regulated model lacks."""
    if spec.profile == "standard":
        return
    lacking = [*profile.unmet(spec, services)]
    report.run("profile", lambda finding: finding.say(profile.words(spec, len(lacking))))
    for check, error in lacking:
        _lack(report, check.name, error)


def _named_elsewhere(report: Report, name: str, look: elsewhere.Check) -> None:
    report.run(name, lambda finding: finding.say(look()))


def _lack(report: Report, name: str, error: SpecError) -> None:
    def raised(finding: Finding) -> None:
        raise error

    report.run(name, raised)


def _owner(finding: Finding, name: str, services: Services) -> PartitionOwner:
    return _set(finding, name, services) if name in services.feature_set_names() else _spec(finding, name, services)


def _set(finding: Finding, name: str, services: Services) -> FeatureSet:
    spec = services.feature_set(name)
    finding.say(f"{len(spec.data.sources)} sources, {len(spec.features.inputs)} features in {len(spec.features.views)} views")
    return spec


def _spec(finding: Finding, model: str, services: Services) -> ModelSpec:
    spec = services.spec(model)
    inputs = f"{len(spec.features.inputs)} inputs from {len(spec.features.views)} views and the request"
    finding.say(f"{len(spec.data.sources)} sources, {inputs}, label {spec.label}")
    return spec


def _code(finding: Finding, spec: PartitionOwner) -> None:
    """What the spec names is there. `fit` is imported where it is run: its libraries take long."""
    features = spec.features
    named = (features.build, features.entities, features.labels, spec.expectations)
    references = [*filter(None, named), *(uses_of(spec) if isinstance(spec, ModelSpec) else ())]
    for reference in references:
        load(reference)
    computed = _computed(spec) if isinstance(spec, ModelSpec) else ""
    finding.say(f"{len(references)} references of the spec lead to code{computed}")


def _computed(spec: ModelSpec) -> str:
    """That what is computed of a request is so alike in training and in the gateway. Raises SpecError for another reading."""
    with open_session(1) as connection:
        wanted = request_features(connection, spec.features)
    if wanted is None:
        return ""
    differed = checked_computing(wanted).differed
    how = f"by DuckDB alone, for compiled {differed}" if differed else "alike by DuckDB and by the gateway's compiled function"
    return f"; {len(wanted.names)} features of the request are computed {how}"


def _sample(finding: Finding, spec: PartitionOwner, services: Services, days: int, stack: ExitStack) -> Sample:
    sets = [services.feature_set(name) for name in spec.features.owners]
    sample = stack.enter_context(open_sample(spec, services.storage, services.settings, days, sets))
    finding.say("; ".join([sample.words, *(f"{each.spec.name}: {each.words}" for each in sample.sets)]))
    return sample


def _days(report: Report, sample: Sample) -> dict[Partition, Result] | None:
    report.run("expectations", lambda finding: finding.say(dry_run.judge_newest_day(sample)), "sample")
    return report.run("features", lambda finding: _features(finding, sample), "sample")


def _steps(report: Report, sample: Sample, made: dict[Partition, Result] | None, *, fit: bool) -> None:
    rows = report.run("training set", lambda finding: _training_set(finding, sample, made or {}), "features")
    job = report.run("encoder", lambda finding: _encoder(finding, sample, rows), "training set")
    report.run("fit", lambda finding: _fit(finding, sample, job, asked=fit), "encoder")
    report.run("onnx", lambda finding: _onnx(finding, job), "fit")


def _features(finding: Finding, sample: Sample) -> dict[Partition, Result]:
    """The newest day first: what is wrong with the SQL shows there."""
    made = {day: dry_run.make_features(sample, day) for day in reversed(sample.days)}
    newest = made[sample.days[-1]].value["rows"]
    finding.say(f"rows of {sample.days[-1]}: {', '.join(f'{name} {count:,}' for name, count in newest.items())}")
    return dict(sorted(made.items()))


def _training_set(finding: Finding, sample: Sample, made: dict[Partition, Result]) -> Result:
    result = dry_run.make_training_set(sample, made)
    value = result.value
    told = f"{value['rows']:,} labelled rows, {label_words(value)}, {value['unlabelled']:,} not labelled yet"
    finding.say("; ".join([told, *value["warnings"]]))
    return result


def _encoder(finding: Finding, sample: Sample, rows: Result | None) -> TrainingJob:
    assert rows is not None  # the check that makes them is ok
    job = dry_run.training_job(sample, rows)
    finding.say(dry_run.encoded_words(job))
    return job


def _fit(finding: Finding, sample: Sample, job: TrainingJob | None, *, asked: bool) -> None:
    if not asked:
        raise Inconclusive("not asked for.")
    assert job is not None
    finding.say(dry_run.fit(sample, job))


def _onnx(finding: Finding, job: TrainingJob | None) -> None:
    assert job is not None
    finding.say(dry_run.compare_scores(job))


def _dags(finding: Finding, model: str, services: Services, *, asked: bool) -> None:
    if not asked:
        raise Inconclusive("not asked for.")
    if not has_airflow():
        raise Inconclusive("Airflow is not installed here.")
    finding.say(check_dags(model, services.settings))
