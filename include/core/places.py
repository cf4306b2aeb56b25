"""Where models live: the places that SLIPSTREAM_MODELS names, with `os.pathsep` (":") between them.

A place is a package of models (`include.models`, `shop_models`), or a folder of model folders that no package has to hold:
usually a clone of a repository of its own. Wherever such a folder lies, its models are imported as `include.models.<model>`:
a model's name is the only one that has to be unique, the import strings of a spec are the same on every machine, and a
model that moves out of the platform's repository keeps the keys of its results.

`include/__init__.py` installs the finder, so that every process that can import `include` (a job, a worker of Ray, which
unpickles a model's class by its name) finds the models of the folders that its environment names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from include.core.environment import MODELS
from include.core.errors import SpecError

PACKAGE = MODELS.default  # the platform's own models, and the name under which those of folders are imported
SPEC_FILE = "spec.py"
SET_FILE = "feature_set.py"  # of a folder that is a feature set: what a folder is can be told without importing it
BESIDE = "@project/"  # begins a path below the folder that `include` is in: a job that brought its code cannot know where that is
_SAFE = "the models of the other places are not touched."
_OWN = Path(__file__).resolve().parents[1] / "models"


@dataclass(frozen=True)
class Place:
    """One place. `text` is as the setting has it, `package` what its models are imported from."""

    text: str
    package: str
    folder: Path | None = None  # None: it is a package, which Python finds

    def folders(self) -> list[Path]:
        """What its model folders lie in. Raises SpecError where there is no such place, or it cannot be read."""
        if self.folder is not None:
            return [_readable(self.folder)]
        return [Path(path) for path in _imported(self.package).__path__]

    def models(self) -> list[Path]:
        """The folders of its models: each is a package, or holds a spec. Raises SpecError."""
        found = [each for each in self._children() if is_model(each)]
        if not found and self.folder is not None and not self.feature_sets():
            _refuse_repository(self.folder)
        return sorted(found)

    def feature_sets(self) -> list[Path]:
        """The folders of its feature sets. Raises SpecError as `models` does."""
        return sorted(each for each in self._children() if is_feature_set(each))

    def _children(self) -> Iterator[Path]:
        yield from (each for folder in self.folders() for each in folder.iterdir() if each.name[0] not in "._")


def places(models: str) -> tuple[Place, ...]:
    """The places of a setting, in its order, each once. Raises SpecError where it names none."""
    texts = [text.strip() for text in models.split(os.pathsep)]
    found = {place.folder or place.package: place for place in map(_place, filter(None, texts))}
    if not found:
        raise SpecError(
            f"{MODELS.name} names no place.", seen=models, hint=f"a package or a folder of models; by default {PACKAGE}."
        )
    return tuple(found.values())


def resolved(models: str) -> str:
    """The setting with the paths of its folders absolute, for processes that work elsewhere. A link stays a link."""
    texts = [text.strip() for text in models.split(os.pathsep)]
    return os.pathsep.join(str(_path(text)) if text and not _is_package(text) else text for text in texts)


def is_model(folder: Path) -> bool:
    try:
        return (folder / SPEC_FILE).is_file() or ((folder / "__init__.py").is_file() and not (folder / SET_FILE).is_file())
    except OSError:  # a folder that may not be read: loading it says so
        return folder.is_dir()


def is_feature_set(folder: Path) -> bool:
    try:
        return (folder / SET_FILE).is_file()
    except OSError:  # such a folder is taken for a model, which says so
        return False


def activate(models: str) -> None:
    """From now on this process imports from the folders of this setting, instead of its environment's.

    What was imported from a folder that is none of the setting's is forgotten.
    """
    if models == _Active.models:
        return
    _Active.models = models
    invalidate_caches()
    for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.") and name.count(".") == PACKAGE.count(".") + 1]:
        if not _is_where_it_should_be(name):
            forget(name)


def folder_of(name: str) -> Path | None:
    """The folder whose `name` is imported as `include.models.<name>`; None: the platform's own, if there is any.

    `name` is a model, or what models of one folder share. Raises SpecError where two places have it.
    """
    holding = {folder.resolve(): folder for folder in _roots(_Active.models or MODELS.read()) if _holds(folder, name)}
    if len(holding) > 1:
        raise SpecError(
            f"{PACKAGE}.{name} is in two places: which is meant cannot be told.",
            seen=[str(folder / name) for folder in holding.values()],
            safe="nothing was imported from either; what does not need it is not touched.",
            hint="rename one of them: what is shared within a place has a name of its own, such as _shop.",
        )
    found = next(iter(holding.values()), None)
    return None if found == _OWN else found


def active_folders() -> list[Path]:
    """The folders that this process imports models from, beside the packages."""
    return [folder for folder in _roots(_Active.models or MODELS.read()) if folder != _OWN]


def search_path(models: str) -> list[str]:
    """The folders that Python has to look in for the packages of a setting, beside its own and the project's."""
    tops = {place.package.partition(".")[0] for place in places(models) if place.folder is None}
    found = {str(root) for top in tops if (root := root_of(top)) is not None and not is_installed(root)}
    return sorted(found - {str(_OWN.parents[1])})


def root_of(top: str) -> Path | None:
    """The folder that a top-level package or module is in; None where it has no source, or there is none."""
    if top in sys.builtin_module_names:
        return None
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).parent
    return Path(spec.origin).parent if spec.origin and spec.origin.endswith(".py") else None


def is_installed(root: Path) -> bool:
    """Whether code in this folder is part of the environment: Python's own, or a library's."""
    return bool({"site-packages", "dist-packages"} & set(root.parts)) or root.is_relative_to(Path(os.__file__).parent)


class _Active:
    """The setting by which this process imports; empty: what its environment says."""

    models: str = ""


class PlacesFinder(MetaPathFinder):
    """Finds `include.models.<name>` in the folders of the setting."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        folder = folder_of(name) if parent == PACKAGE else None
        return PathFinder.find_spec(fullname, [str(folder)], target) if folder is not None else None


def install() -> None:
    """Have Python ask us first. Does nothing the second time."""
    if not any(isinstance(finder, PlacesFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PlacesFinder())


def _place(text: str) -> Place:
    return Place(text, text) if _is_package(text) else Place(text, PACKAGE, _path(text))


def _is_package(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _path(text: str) -> Path:
    if text.startswith(BESIDE):
        return _OWN.parents[1] / text.removeprefix(BESIDE)
    return Path(os.path.abspath(os.path.expanduser(text)))


def _roots(models: str) -> Iterator[Path]:
    """The folders whose children are imported as `include.models.<child>`."""
    for text in filter(None, (text.strip() for text in models.split(os.pathsep))):
        if text == PACKAGE:
            yield _OWN
        elif not _is_package(text):
            yield _path(text)


def _holds(folder: Path, name: str) -> bool:
    try:
        return (folder / f"{name}.py").is_file() or is_model(folder / name) or is_feature_set(folder / name)
    except OSError:
        return False


def _is_where_it_should_be(name: str) -> bool:
    try:
        folder = folder_of(name.rpartition(".")[2]) or _OWN
    except SpecError:
        return False
    module = sys.modules[name]
    files = [*getattr(module, "__path__", ()), getattr(module, "__file__", None) or ""]
    return any(Path(file).parent == folder for file in files if file)


def forget(name: str) -> None:
    """Whoever imports this package or module next gets it as it is by then."""
    for each in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[each]
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        vars(sys.modules[parent]).pop(child, None)


def _imported(name: str) -> ModuleType:
    try:
        found = import_module(name)
    except ImportError as error:
        raise SpecError(
            f"{MODELS.name} names no package that can be imported.",
            seen=name,
            safe=_SAFE,
            hint=f"{error}; by default {PACKAGE}. A folder is named by its path, such as ./{name}.",
        ) from error
    except (Exception, SystemExit) as error:  # an author's __init__.py
        raise SpecError(f"The package {name} cannot be imported: {type(error).__name__}: {error}.", seen=name) from error
    if not hasattr(found, "__path__"):
        raise SpecError(f"{MODELS.name} names a module: a package is expected, a folder a model.", seen=name)
    return found


def _readable(folder: Path) -> Path:
    try:
        with os.scandir(folder) as entries:  # without listing them all, for each model is looked up so
            next(entries, None)
    except OSError as error:
        raise SpecError(
            f"{MODELS.name} names a folder that cannot be read: {error.strerror}.",
            seen=str(folder),
            safe=_SAFE,
            hint="name the folder that the model folders are in, on every machine that runs their tasks.",
        ) from error
    if (folder / SPEC_FILE).is_file() or (folder / SET_FILE).is_file():
        raise SpecError(
            f"{MODELS.name} names a model or a feature set: the folder that model folders are in is expected.",
            seen=str(folder),
            safe=_SAFE,
            hint=f"{MODELS.name}={folder.parent}",
        )
    return folder


def _refuse_repository(folder: Path) -> None:
    """Raises SpecError for a folder without models that has a folder of models: it is a repository, or the like."""
    inner = sorted({path.parents[1] for path in folder.glob(f"[!._]*/[!._]*/{SPEC_FILE}")})
    if inner:
        raise SpecError(
            f"{MODELS.name} names a folder without models; one below it has some.",
            seen=str(folder),
            safe=_SAFE,
            hint=f"name {inner[0]}.",
        )
