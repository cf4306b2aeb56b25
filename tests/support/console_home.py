"""A small home of the console's benchmark: one model, nine weeks, two versions of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.console.home import Size, environ, make_home
from benchmarks.console.spec import spec_of
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage

SIZE = Size(models=1, weeks=9)
NAME = SIZE.names[0]


@dataclass(frozen=True)
class Home:
    """What the pages about it read from."""

    folder: Path
    control: ControlStore

    @property
    def ledger(self) -> Ledger:
        return Ledger(LocalStorage(self.folder / "store"))

    @property
    def settings(self) -> Settings:
        return Settings.from_env(environ(self.folder))

    @property
    def model(self) -> ModelSpec:
        return spec_of(NAME, SIZE.first)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("console") / "home"
    return Home(folder, make_home(folder, SIZE))
