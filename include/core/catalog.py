"""Finding the models: every folder of `include.models` with a `spec.py` that defines SPEC."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from types import ModuleType

from include.core.errors import SpecError
from include.core.nearest import did_you_mean
from include.core.spec import ModelSpec

SPEC_FILE = "spec.py"


def model_names(package: str = "include.models") -> list[str]:
    """Names of the model folders, sorted. Imports none of them.

    A folder counts if it is a package or holds a spec. Hidden folders, and those whose names begin with an underscore,
    are nobody's model.
    """
    roots = [Path(path) for path in _package(package).__path__]
    folders = [folder for root in roots for folder in root.iterdir() if folder.name[0] not in "._"]
    return sorted({folder.name for folder in folders if _is_model(folder)})


def _package(name: str) -> ModuleType:
    """Raises SpecError where the setting names no package."""
    try:
        found = importlib.import_module(name)
    except ImportError as error:
        raise SpecError(
            "SLIPSTREAM_MODELS names no package that can be imported.", seen=name, hint=f"{error}; by default include.models."
        ) from error
    if not hasattr(found, "__path__"):
        raise SpecError("SLIPSTREAM_MODELS names a module: a package is expected, a folder a model.", seen=name)
    return found


def _is_model(folder: Path) -> bool:
    try:
        return any((folder / file).is_file() for file in ("__init__.py", SPEC_FILE))
    except OSError:  # a folder that may not be read: loading it says so
        return folder.is_dir()


def load_spec(name: str, package: str = "include.models") -> ModelSpec:
    """The SPEC of one model. Raises SpecError if there is none or it is wrong, whatever is wrong with it."""
    if not name.isidentifier():
        raise SpecError(
            f"{name!r} cannot be a model's name: its folder is imported as a Python package.",
            seen=name,
            hint=f"name the folder in lower case letters, digits and _; {did_you_mean(name, model_names(package), 'models')}",
        )
    module = _import(name, package)
    if getattr(importlib.import_module(f"{package}.{name}"), "__file__", None) is None:  # a namespace, not a package
        raise SpecError(f"The folder of model {name!r} has no __init__.py.", hint=f"add an empty {name}/__init__.py.")
    spec = getattr(module, "SPEC", None)
    if not isinstance(spec, ModelSpec):
        raise SpecError(f"{package}.{name}.spec must define SPEC = ModelSpec(...).", seen=type(spec).__name__)
    if spec.name != name:
        raise SpecError(f"The spec in folder {name!r} names itself otherwise.", seen=spec.name, hint="make them equal.")
    return spec


def _import(name: str, package: str) -> object:
    try:
        return importlib.import_module(f"{package}.{name}.spec")
    except SpecError as error:
        raise SpecError(f"{error.what}\nIn {_place(error, name)}.", seen=error.seen, hint=error.hint) from error
    except ModuleNotFoundError as error:
        if error.name == f"{package}.{name}":
            hint = did_you_mean(name, model_names(package), "models")
            raise SpecError(f"There is no model {name!r}.", seen=error.name, hint=hint) from error
        if error.name == f"{package}.{name}.spec":
            hint = f"write {name}/{SPEC_FILE} with SPEC = ModelSpec(...), or remove the folder; {_others(name, package)}"
            raise SpecError(f"There is no model {name!r}: its folder has no {SPEC_FILE}.", seen=error.name, hint=hint) from error
        raise SpecError(f"The spec of model {name!r} cannot be imported: {error}.", seen=error.name) from error
    except (Exception, SystemExit) as error:
        # A spec is an author's code: half a file, bytes that are no text, or an exception of any kind.
        raise SpecError(
            f"The spec of model {name!r} cannot be imported: {type(error).__name__}: {error}.",
            seen=_place(error, name),
            safe="the other models are not touched.",
            hint=f"try it: python -c 'import {package}.{name}.spec'",
        ) from error


def _others(name: str, package: str) -> str:
    return did_you_mean(name, [other for other in model_names(package) if other != name], "other models")


def _place(error: BaseException, name: str) -> str:
    """The line of the model's own code in which the error arose."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if name in Path(frame.filename).parts]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"{name}/{SPEC_FILE}"
