"""Where a model's folder may be written and read, and the package by which its models are imported."""

from __future__ import annotations

from pathlib import Path

from include.core.catalog import place_of
from include.core.places import places


def folders(models: str) -> list[tuple[str, Path]]:
    """(package, folder) of each place of the setting. A folder need not be there yet.

    Raises SpecError for a package that cannot be imported.
    """
    return [(place.package, place.folder or place.folders()[0]) for place in places(models)]


def package_of(model: str, models: str) -> str:
    """The package that a model is imported from; the first place's where none has it. Raises SpecError where two have it."""
    return (place_of(model, models) or places(models)[0]).package
