"""Which commits a task's code is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from include.core.catalog import folder_of
from include.core.digest import PROJECT
from include.core.repository import Commits, commits_of


def commits_at(context: Mapping[str, object], model: str, models: str) -> Commits:
    """Of the repository that the model is in, and of the platform's.

    Airflow's bundle says which commit its DAG file is of: the model's where the bundle holds the model's folder, the platform's
    for a model that is the platform's own.
    """
    bundle: Any = getattr(context["ti"], "bundle_instance", None)
    version, folder = str(getattr(bundle, "version", None) or ""), folder_of(model, models)
    found = commits_of(folder)
    if not version:
        return found
    if folder is None or (folder.is_relative_to(PROJECT) and found.model == found.platform):
        return Commits(version, version)
    held = folder.is_relative_to(Path(getattr(bundle, "path", None) or PROJECT))
    return replace(found, model=version) if held else found
