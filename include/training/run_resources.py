"""The run's parameter `resources`: other machines, workers, precision or time than the spec's, for one run.

What changes the fit itself (`workers`, `precision`, ...) is part of the result's key, as in the spec; machines and time are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from include.core.errors import SpecError
from include.core.needs import Needs
from include.core.spec import ModelSpec, Training, Workers
from include.core.spec.resources import Resources

OF_MACHINES = tuple(Resources.model_fields)
OF_TRAINING = tuple(
    name for name in ("workers", "precision", "strategy", "offload", "time_limit") if name in Training.model_fields
)
NAMES = (*OF_MACHINES, *OF_TRAINING)
FIXED = ("pool", "queue")  # Airflow chooses them when it parses the DAG, before there is a run
_SAFE = "nothing was computed."


def overridden(spec: ModelSpec, given: object) -> ModelSpec:
    """The spec with these in place of its own. Raises SpecError, which names what is wrong; nothing given: the spec itself."""
    if given is None or given == {}:
        return spec
    if not isinstance(given, Mapping):
        raise SpecError(
            "The run's parameter `resources` is no object.", seen=given, safe=_SAFE,
            hint='write such as {"gpus": 1, "memory_gb": 16}.',
        )  # fmt: skip
    _check_names(given)
    training = {name: getattr(spec.training, name) for name in Training.model_fields}
    machines = {name: getattr(spec.training.resources, name) for name in OF_MACHINES}
    machines |= {name: value for name, value in given.items() if name in OF_MACHINES}
    changed = {name: value for name, value in given.items() if name in OF_TRAINING}
    try:
        made = Training(**{**training, **changed, "resources": machines})
    except SpecError as error:
        wrong = "\n".join(error.what.splitlines()[1:])
        raise SpecError(
            f"The run's parameter `resources` does not go with the spec of {spec.name!r}:\n{wrong}",
            seen=dict(given), safe=_SAFE, hint="trigger the run again with other values, or none.",
        ) from None  # fmt: skip
    return spec.model_copy(update={"training": made})


def needs_of(spec: ModelSpec) -> Needs:
    """What an attempt to fit is given."""
    training = spec.training
    workers = Workers.of(training.workers).maximum
    return Needs(training.resources, workers, training.time_limit.total_seconds())


def needs_of_search(spec: ModelSpec) -> Needs:
    """What an attempt to search is given: each trial is one worker, and has the machine of one."""
    return replace(needs_of(spec), workers=int(getattr(spec.training.search, "concurrent", 1)))


def _check_names(given: Mapping[Any, Any]) -> None:
    fixed = [name for name in given if name in FIXED]
    if fixed:
        raise SpecError(
            f"The run's parameter `resources` cannot choose {' and '.join(fixed)}: Airflow fixes them when it parses the DAG.",
            seen=dict(given), safe=_SAFE, hint=f"say training.{fixed[0]} in the spec.",
        )  # fmt: skip
    unknown = [str(name) for name in given if name not in NAMES]
    if unknown:
        raise SpecError(
            f"The run's parameter `resources` has what it does not know: {', '.join(unknown)}.",
            seen=dict(given), safe=_SAFE, hint=f"it may hold {', '.join(NAMES)}.",
        )  # fmt: skip
