"""Lives that are some way along already: made once a session, then copied back to the path they were made at."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.operator_runs import Life, Run, settle_in

DAYS = 4  # published; the first three train, the last is held out


@dataclass
class Nursery:
    folder: Path
    made: dict[str, dict[str, str]] = field(default_factory=dict)  # a stage's XCom of its training run

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def life(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> Life:
        """`published`: DAYS days are. `trained`: and all before `register` is computed on them. `registered`: and version 1 is a
        Candidate."""
        if stage not in self.made:
            self._make(stage)
        self._copy(self.folder / stage, self.home)
        return Life(settle_in(self.home, monkeypatch))

    def run(self, stage: str = "registered") -> Run:
        """The training run that made version 1."""
        return Run(xcom=dict(self.made[stage]))

    def _make(self, stage: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if stage == "published":
                shutil.rmtree(self.home, ignore_errors=True)
                Life(settle_in(self.home, patch)).days(DAYS)
                self.made[stage] = {}
            elif stage == "trained":
                self.made[stage] = self.life("published", patch).trained().xcom
            else:
                self.made[stage] = self.life("trained", patch).registered().xcom
            self._copy(self.home, self.folder / stage)

    def _copy(self, source: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)
