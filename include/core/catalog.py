"""Finding the models and the feature sets: the folders of the places of SLIPSTREAM_MODELS.

A model's folder has a `spec.py` that defines SPEC, a feature set's a `feature_set.py` that defines SET. Their names are one
namespace: both begin DAG ids, paths of raw partitions and keys of the online store.
"""

from __future__ import annotations

import importlib
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from include.core.environment import MODELS
from include.core.environment_governance import PROFILE
from include.core.errors import SpecError
from include.core.nearest import did_you_mean
from include.core.places import SET_FILE, SPEC_FILE, Place, activate, is_feature_set, is_model, places
from include.core.spec import FeatureSet, Frozen, ModelSpec, PartitionOwner
from include.core.spec.profile import RANK
from include.core.spec_sets import with_sets

log = logging.getLogger(__name__)
LONGEST = 63  # characters of a name in a spec


@dataclass(frozen=True)
class _Kind:
    """What a folder may be."""

    what: str
    file: str
    defines: str
    made_by: type[Frozen]
    is_one: Callable[[Path], bool]


_MODEL = _Kind("model", SPEC_FILE, "SPEC", ModelSpec, is_model)
_SET = _Kind("feature set", SET_FILE, "SET", FeatureSet, is_feature_set)


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


def feature_set_names(models: str = "") -> list[str]:
    """Names of the feature sets of all places, sorted. Imports none of them. Broken places are passed over."""
    return sorted({folder.name for place in places(models or MODELS.read()) for folder in _feature_sets(place)})


def owner_names(models: str = "") -> list[str]:
    """Names of everything that has published days of its own: models and feature sets."""
    return sorted({*model_names(models), *feature_set_names(models)})


def broken_places(models: str = "") -> dict[str, SpecError]:
    """What is wrong with places whose models cannot even be listed, by their text in the setting."""
    return {text: error for text, (_, error) in _listed(models or MODELS.read()).items() if error is not None}


def place_of(name: str, models: str = "") -> Place | None:
    """The place that has this model or feature set; None where none that can be read has. Raises SpecError where two have it."""
    having = {folder.resolve(): place for place, folder in _having(name, models)}
    kinds = {kind.what for folder in having for kind in (_MODEL, _SET) if kind.is_one(folder)}
    if len(having) > 1 or len(kinds) > 1:
        what = f"models {name!r}: a model's name" if kinds == {_MODEL.what} else f"models and feature sets {name!r}: such a name"
        raise SpecError(
            f"There are {max(len(having), len(kinds))} {what} is one for all places.",
            seen={place.text: str(folder) for folder, place in having.items()},
            safe="none of them is loaded; the other models are not touched.",
            hint=f"rename one of the folders and the `name` in its {SPEC_FILE} or {SET_FILE}, or take a place out of "
            f"{MODELS.name}.",
        )
    return next(iter(having.values()), None)


def folder_of(name: str, models: str = "") -> Path | None:
    """The folder of a model or feature set; None where there is none of that name. Raises SpecError as `place_of` does."""
    place = place_of(name, models)
    return next((folder for each, folder in _having(name, models) if each == place), None)


def _having(name: str, models: str) -> Iterator[tuple[Place, Path]]:
    """The places that have a model of this name, and its folder there. Looks at that folder alone: there may be many."""
    for place in places(models or MODELS.read()):
        try:
            folders = place.folders()
        except SpecError:  # who asks for the models is told
            continue
        yield from ((place, folder / name) for folder in folders if is_model(folder / name) or is_feature_set(folder / name))


def _feature_sets(place: Place) -> list[Path]:
    try:
        return place.feature_sets()
    except (SpecError, OSError):  # who asks for the models is told
        return []


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
    """The SPEC of one model, with the views of the feature sets that it reads. Raises SpecError if there is none or it is
    wrong, whatever is wrong with it.

    `models`: as SLIPSTREAM_MODELS has it; empty: the environment's. From then on this process imports by it.
    """
    models = models or MODELS.read()
    spec = _load(name, models, _MODEL)
    assert isinstance(spec, ModelSpec)  # what the kind is made by
    _require_profile(spec)
    return with_sets(spec, lambda asked: load_feature_set(asked, models)) if spec.features.sets else spec


def _require_profile(spec: ModelSpec) -> None:
    """Raises SpecError for a spec whose profile is less than the platform takes: its folder cannot lower that."""
    least = PROFILE.read().strip()
    if least not in RANK:
        raise SpecError(f"{PROFILE.name} is no profile.", seen=least, hint=f"set it to {' or '.join(RANK)}, or not.")
    if RANK[spec.profile] < RANK[least]:
        raise SpecError(
            f"This platform takes no model with less than profile={least!r}, and {spec.name} has {spec.profile!r}.",
            safe="the model is not loaded; what is served goes on.",
            hint=f"write profile={least!r} into its spec, then slipstream check {spec.name}: docs/regulation.md.",
        )


def load_feature_set(name: str, models: str = "") -> FeatureSet:
    """The SET of one feature set. Raises SpecError as `load_spec` does."""
    spec = _load(name, models or MODELS.read(), _SET)
    assert isinstance(spec, FeatureSet)
    return spec


def load_owner(name: str, models: str = "") -> PartitionOwner:
    """The model or the feature set of that name. Raises SpecError as `load_spec` does."""
    models = models or MODELS.read()
    return load_feature_set(name, models) if is_set(name, models) else load_spec(name, models)


def is_set(name: str, models: str = "") -> bool:
    """Whether a feature set has that name. Whatever came from outside may be asked about."""
    return (
        name.isidentifier()
        and len(name) <= LONGEST
        and any(is_feature_set(folder) for _, folder in _having(name, models or MODELS.read()))
    )


def _load(name: str, models: str, kind: _Kind) -> Frozen:
    if not name.isidentifier():
        raise SpecError(
            f"{name!r} cannot be a {kind.what}'s name: its folder is imported as a Python package.",
            seen=name,
            hint=f"name the folder in lower case letters, digits and _; {_closest(name, models, kind)}",
        )
    activate(models)
    place = place_of(name, models)
    if place is None:
        place = _one_with_a_folder(name, models, kind)
    _refuse_other_kind(name, models, kind)
    package = place.package
    module = _import(name, package, models, kind)
    if getattr(importlib.import_module(f"{package}.{name}"), "__file__", None) is None:  # a namespace, not a package
        raise SpecError(f"The folder of {kind.what} {name!r} has no __init__.py.", hint=f"add an empty {name}/__init__.py.")
    spec, file = getattr(module, kind.defines, None), kind.file.removesuffix(".py")
    if not isinstance(spec, kind.made_by):
        what = f"{package}.{name}.{file} must define {kind.defines} = {kind.made_by.__name__}(...)."
        raise SpecError(what, seen=type(spec).__name__)
    if (seen := getattr(spec, "name", "")) != name:
        raise SpecError(f"The spec in folder {name!r} names itself otherwise.", seen=seen, hint="make them equal.")
    return spec


def _refuse_other_kind(name: str, models: str, kind: _Kind) -> None:
    """Raises SpecError for a model that is asked for as a feature set, or the other way round."""
    other = _SET if kind is _MODEL else _MODEL
    for _, folder in _having(name, models):
        if other.is_one(folder):
            raise SpecError(
                f"{name!r} is a {other.what}, and a {kind.what} is asked for.",
                seen=str(folder / other.file),
                safe="nothing was read or changed for it.",
                hint=_closest(name, models, kind),
            )


def _one_with_a_folder(name: str, models: str, kind: _Kind) -> Place:
    """The place with a folder of that name that is no model yet. Raises SpecError where there is none."""
    found, broken = _look(models)
    for place in found:
        if any((folder / name).is_dir() for folder in place.folders()):
            return place
    unread = "".join(f" The models of {text} cannot be listed: {error}" for text, error in broken.items())
    raise SpecError(
        f"There is no {kind.what} {name!r}.{unread}",
        seen=name,
        safe="nothing was read or changed for it.",
        hint=_closest(name, models, kind),
    )


def _import(name: str, package: str, models: str, kind: _Kind) -> object:
    module = f"{package}.{name}.{kind.file.removesuffix('.py')}"
    try:
        return importlib.import_module(module)
    except SpecError as error:
        raise SpecError(f"{error.what}\nIn {_place(error, name, kind)}.", seen=error.seen, hint=error.hint) from error
    except ModuleNotFoundError as error:
        if error.name in (f"{package}.{name}", module):
            hint = (
                f"write {name}/{kind.file} with {kind.defines} = {kind.made_by.__name__}(...), or remove the folder; "
                f"{_closest(name, models, kind)}"
            )
            what = f"There is no {kind.what} {name!r}: its folder has no {kind.file}."
            raise SpecError(what, seen=error.name, hint=hint) from error
        raise SpecError(f"The spec of {kind.what} {name!r} cannot be imported: {error}.", seen=error.name) from error
    except (Exception, SystemExit) as error:
        # A spec is an author's code: half a file, bytes that are no text, or an exception of any kind.
        raise SpecError(
            f"The spec of {kind.what} {name!r} cannot be imported: {type(error).__name__}: {error}.",
            seen=_place(error, name, kind),
            safe="the other models are not touched.",
            hint=f"try it: python -c 'import {module}'",
        ) from error


def _closest(name: str, models: str, kind: _Kind) -> str:
    """What there is beside it, the closest name first."""
    names = [other for other in (model_names(models) if kind is _MODEL else feature_set_names(models)) if other != name]
    return did_you_mean(name, names, f"{kind.what}s" if kind is _SET else "models")


def _place(error: BaseException, name: str, kind: _Kind) -> str:
    """The line of the folder's own code in which the error arose."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if name in Path(frame.filename).parts]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"{name}/{kind.file}"
