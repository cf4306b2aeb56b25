"""Where models lie, for whoever writes or reads a model's folder: the places that SLIPSTREAM_MODELS names."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from include.core.environment import MODELS
from include.core.errors import SpecError

SHARED = MODELS.default  # the package by which the models of a folder are imported, wherever it lies


def folders(models: str) -> list[tuple[str, Path]]:
    """(package, folder) of each place of the setting: a package, or the path of a folder of models.

    Raises SpecError for a package that cannot be found.
    """
    texts = [text.strip() for text in models.split(os.pathsep)]
    return [(text, _of_package(text)) if is_package(text) else (SHARED, Path(text).absolute()) for text in texts if text]


def package_of(model: str, models: str) -> str:
    """The package that a model is imported from; the first of the setting where none has it."""
    found = folders(models)
    return next((package for package, folder in found if (folder / model).is_dir()), found[0][0])


def is_package(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _of_package(name: str) -> Path:
    try:
        found = find_spec(name)
    except ImportError:
        found = None
    places = list(found.submodule_search_locations or ()) if found is not None else []
    if not places:
        raise SpecError(
            f"{MODELS.name} names no package of models that can be imported.",
            seen=name,
            safe="nothing was written.",
            hint=f"by default {MODELS.default}; a folder is named by its path, such as ./{name}.",
        )
    return Path(places[0])
