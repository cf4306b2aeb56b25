"""Finding the models: every sub-package of `include.models` with a `spec.py` that defines SPEC."""

from __future__ import annotations

import importlib
import pkgutil

from include.core.errors import SpecError
from include.core.spec import ModelSpec


def model_names(package: str = "include.models") -> list[str]:
    """Names of the model folders, sorted. Imports none of them."""
    path = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(path) if module.ispkg)


def load_spec(name: str, package: str = "include.models") -> ModelSpec:
    """The SPEC of one model. Raises SpecError if there is none or it is wrong."""
    try:
        module = importlib.import_module(f"{package}.{name}.spec")
    except ModuleNotFoundError as error:
        if error.name not in (f"{package}.{name}", f"{package}.{name}.spec"):  # the spec is there; what it imports is not
            raise SpecError(f"The spec of model {name!r} cannot be imported: {error}.", seen=error.name) from error
        raise SpecError(
            f"There is no model {name!r}.", seen=error.name, hint=f"models here: {', '.join(model_names(package)) or 'none'}."
        ) from error
    spec = getattr(module, "SPEC", None)
    if not isinstance(spec, ModelSpec):
        raise SpecError(f"{package}.{name}.spec must define SPEC = ModelSpec(...).", seen=type(spec).__name__)
    if spec.name != name:
        raise SpecError(f"The spec in folder {name!r} names itself otherwise.", seen=spec.name, hint="make them equal.")
    return spec


def load_specs(package: str = "include.models") -> list[ModelSpec]:
    return [load_spec(name, package) for name in model_names(package)]
