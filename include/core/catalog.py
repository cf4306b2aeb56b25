"""Finding the models: every folder of the places of SLIPSTREAM_MODELS with a `spec.py` that defines SPEC."""

from __future__ import annotations

import importlib
import logging
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from include.core.environment import MODELS
from include.core.errors import SpecError
from include.core.nearest import did_you_mean
from include.core.places import SPEC_FILE, Place, activate, is_model, places
from include.core.spec import ModelSpec

log = logging.getLogger(__name__)


def model_names(models: str = "") -> list[str]:
    """Names of the model folders of all places, sorted. Imports none of them.

    A folder counts if it is a package or holds a spec. Hidden folders, and those whose names begin with an underscore,
    are nobody's model. `models`: as SLIPSTREAM_MODELS has it; empty: the environment's. A place that is broken is passed over
    with a warning (`broken_places` says what is wrong with it); raises SpecError where all are.
    """
    found, broken = _look(models or MODELS.read())
    for text, error in broken.items():
        _warn_once(text, format(error))
    return sorted({folder.name for folders in found.values() for folder in folders})


def broken_places(models: str = "") -> dict[str, SpecError]:
    """What is wrong with places whose models cannot even be listed, by their text in the setting."""
    return {text: error for text, (_, error) in _listed(models or MODELS.read()).items() if error is not None}


def place_of(name: str, models: str = "") -> Place | None:
    """The place that has this model; None where none that can be read has. Raises SpecError where two have it."""
    having = {folder.resolve(): place for place, folder in _having(name, models)}
    if len(having) > 1:
        raise SpecError(
            f"There are {len(having)} models {name!r}: a model's name is one for all places.",
            seen={place.text: str(folder) for folder, place in having.items()},
            safe="none of them is loaded; the other models are not touched.",
            hint=f"rename one of the folders and the `name` in its {SPEC_FILE}, or take a place out of {MODELS.name}.",
        )
    return next(iter(having.values()), None)


def folder_of(name: str, models: str = "") -> Path | None:
    """The folder of a model; None where there is no such model. Raises SpecError as `place_of` does."""
    place = place_of(name, models)
    return next((folder for each, folder in _having(name, models) if each == place), None)


def _having(name: str, models: str) -> Iterator[tuple[Place, Path]]:
    """The places that have a model of this name, and its folder there. Looks at that folder alone: there may be many."""
    for place in places(models or MODELS.read()):
        try:
            folders = place.folders()
        except SpecError:  # who asks for the models is told
            continue
        yield from ((place, folder / name) for folder in folders if is_model(folder / name))


def _look(models: str) -> tuple[dict[Place, list[Path]], dict[str, SpecError]]:
    """The model folders of each place that can be read, and the errors of the others; raises the error of one that is alone."""
    listed = _listed(models)
    found = {place: folders for place, (folders, error) in zip(places(models), listed.values(), strict=True) if error is None}
    broken = {text: error for text, (_, error) in listed.items() if error is not None}
    if broken and not found:
        raise next(iter(broken.values()))
    return found, broken


def _listed(models: str) -> dict[str, tuple[list[Path], SpecError | None]]:
    found: dict[str, tuple[list[Path], SpecError | None]] = {}
    for place in places(models):
        try:
            found[place.text] = place.models(), None
        except SpecError as error:
            found[place.text] = [], error
        except OSError as error:
            found[place.text] = [], SpecError(f"The models of {place.text} cannot be listed: {error}.", seen=place.text)
    return found


@cache
def _warn_once(text: str, error: str) -> None:
    log.warning("The models of %s are left out. %s", text, error)


def load_spec(name: str, models: str = "") -> ModelSpec:
    """The SPEC of one model. Raises SpecError if there is none or it is wrong, whatever is wrong with it.

    `models`: as SLIPSTREAM_MODELS has it; empty: the environment's. From then on this process imports by it.
    """
    models = models or MODELS.read()
    if not name.isidentifier():
        raise SpecError(
            f"{name!r} cannot be a model's name: its folder is imported as a Python package.",
            seen=name,
            hint=f"name the folder in lower case letters, digits and _; {did_you_mean(name, model_names(models), 'models')}",
        )
    activate(models)
    place = place_of(name, models)
    if place is None:
        place = _one_with_a_folder(name, models)
    package = place.package
    module = _import(name, package, models)
    if getattr(importlib.import_module(f"{package}.{name}"), "__file__", None) is None:  # a namespace, not a package
        raise SpecError(f"The folder of model {name!r} has no __init__.py.", hint=f"add an empty {name}/__init__.py.")
    spec = getattr(module, "SPEC", None)
    if not isinstance(spec, ModelSpec):
        raise SpecError(f"{package}.{name}.spec must define SPEC = ModelSpec(...).", seen=type(spec).__name__)
    if spec.name != name:
        raise SpecError(f"The spec in folder {name!r} names itself otherwise.", seen=spec.name, hint="make them equal.")
    return spec


def _one_with_a_folder(name: str, models: str) -> Place:
    """The place with a folder of that name that is no model yet. Raises SpecError where there is none."""
    found, broken = _look(models)
    for place in found:
        if any((folder / name).is_dir() for folder in place.folders()):
            return place
    unread = "".join(f" The models of {text} cannot be listed: {error}" for text, error in broken.items())
    raise SpecError(
        f"There is no model {name!r}.{unread}",
        seen=name,
        safe="nothing was read or changed for it.",
        hint=did_you_mean(name, model_names(models), "models"),
    )


def _import(name: str, package: str, models: str) -> object:
    try:
        return importlib.import_module(f"{package}.{name}.spec")
    except SpecError as error:
        raise SpecError(f"{error.what}\nIn {_place(error, name)}.", seen=error.seen, hint=error.hint) from error
    except ModuleNotFoundError as error:
        if error.name in (f"{package}.{name}", f"{package}.{name}.spec"):
            hint = f"write {name}/{SPEC_FILE} with SPEC = ModelSpec(...), or remove the folder; {_others(name, models)}"
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


def _others(name: str, models: str) -> str:
    return did_you_mean(name, [other for other in model_names(models) if other != name], "other models")


def _place(error: BaseException, name: str) -> str:
    """The line of the model's own code in which the error arose."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if name in Path(frame.filename).parts]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"{name}/{SPEC_FILE}"
