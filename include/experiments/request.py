"""What an experiment is asked with: its part of the spec, and the version that it tries."""

from __future__ import annotations

from include.core.control import ControlStore
from include.core.errors import DataError, SpecError
from include.core.spec import Experiment, ModelSpec
from include.versions.lifecycle import Stage, at_stage


def find_experiment(spec: ModelSpec, name: str) -> Experiment:
    """Raises SpecError for a name that the spec does not have."""
    for experiment in spec.experiments:
        if experiment.name == name:
            return experiment
    known = ", ".join(each.name for each in spec.experiments) or "it has none"
    raise SpecError(
        f"The spec of {spec.name} has no experiment {name!r}.", seen=known, hint="add it to `experiments` of the spec."
    )


def treatment_of(control: ControlStore, spec: ModelSpec, experiment: Experiment, asked: int | None = None) -> int:
    """The version that was asked for, else what the spec says: a number, or the newest Candidate. Raises DataError if none is."""
    if asked is not None:
        return asked
    if experiment.treatment != "candidate":
        return experiment.treatment
    with control.transaction() as connection:
        waiting = at_stage(connection, spec.name, Stage.CANDIDATE)
    if not waiting:
        raise DataError(
            f"{spec.name} has no Candidate to try in {experiment.name}.",
            safe="nothing changed.",
            hint=f"register one, or name a version: slipstream experiment start {spec.name} {experiment.name} --version N",
        )
    return waiting[-1]
