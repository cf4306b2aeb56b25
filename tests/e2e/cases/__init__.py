"""The cases whose whole life a real Airflow runs: a module a case, with `CASE`, named like its folder in examples/models."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from tests.e2e.case_life import Case


def names() -> list[str]:
    return sorted(each.name for each in pkgutil.iter_modules(__path__))


def load(name: str) -> Case:
    found: Case = import_module(f"{__name__}.{name}").CASE
    return found
