from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.notebook import Fit, Model, TrainingSet
from include.services.services import Services
from tests.support.operator_runs import MODEL, Life, day, settle_in

DAYS = 4


@dataclass
class Desk:
    """A home in which only the shop's raw days have landed, and the model as a notebook has it."""

    life: Life
    model: Model
    said: list[str]

    @property
    def services(self) -> Services:
        return self.life.services

    def again(self) -> Model:
        """The same in another process."""
        return Model(MODEL, services=Services(self.services.settings), say=self.said.append)

    def commits(self) -> list[str]:
        """Every attempt and every result of the ledger."""
        return [path for path in self.services.storage.list("ledger") if path.endswith("result.json") or "/attempt-" in path]


def desk_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    said: list[str] = []
    life = Life(settle_in(home, monkeypatch))
    return Desk(life, Model(MODEL, services=Services(life.services.settings), say=said.append), said)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Nothing was ever computed here."""
    made = desk_at(tmp_path, monkeypatch)
    for number in range(1, DAYS + 1):
        made.life.land(day(number))
    return made


@pytest.fixture(scope="session")
def worked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which a fit was made by hand; it is copied back before each test that uses it."""
    home, kept = tmp_path_factory.mktemp("desk") / "home", tmp_path_factory.mktemp("kept") / "home"
    with pytest.MonkeyPatch.context() as patch:
        made = desk_at(home, patch)
        for number in range(1, DAYS + 1):
            made.life.land(day(number))
        made.model.evaluate()
        (home / "said").write_text("\n".join(made.said))
    shutil.copytree(home, kept)
    yield kept
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def worked(worked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Its training set, fit and evaluation are there."""
    shutil.copytree(worked_at, tmp_path / "home")
    return desk_at(tmp_path / "home", monkeypatch)


@pytest.fixture
def rows(worked: Desk) -> TrainingSet:
    return worked.model.training_set()


@pytest.fixture
def fitted(worked: Desk, rows: TrainingSet) -> Fit:
    return worked.model.fit(rows)
