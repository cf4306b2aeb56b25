"""Two models in a git repository of their own, under a platform that is upgraded once and knows nothing of them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from include.core.digest import PROJECT
from tests.support.checkout import check_out

LIFE = Path(__file__).with_name("model_repository_life.py")
EXAMPLE = PROJECT / "examples" / "model_repository"
OTHER_FIT = """
from dataclasses import replace

from .._retail.learn import fit_logistic


def fit(job):
    fit_logistic(replace(job, params={"C": job.params["C"] / 1000}))
"""
PARTS = ("features", "features_range", "training", "rollout", "monitoring", "scoring")
OWN, OTHER = "parcel_late", "order_returned"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@dataclass(frozen=True)
class Story:
    """The repository of models, and a home that outlives platforms."""

    folder: Path
    port: int

    @property
    def models(self) -> Path:
        return self.folder / "shop" / "models"

    def platform(self, name: str, edit: Callable[[Path], None] = lambda _: None) -> str:
        """Another clone of the platform, where it was never before; its commit."""
        clone = self.folder / name
        check_out(("include", "operators", "dags"), clone)
        shutil.copy(PROJECT / "pyproject.toml", clone)
        (clone / ".gitignore").write_text("__pycache__/\n")
        edit(clone)
        return commit(clone, name)

    def run(self, platform: str, *words: str) -> dict[str, Any]:
        clone, away = self.folder / platform, "http://:secret@127.0.0.1:1"
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLIPSTREAM_", "AIRFLOW"))},
            "PYTHONPATH": f"{clone}:{PROJECT}", "AIRFLOW_HOME": str(self.folder / "airflow"),
            "SLIPSTREAM_HOME": str(self.folder / "home"),
            "SLIPSTREAM_MODELS": f"include.models:{self.models}",
            "SLIPSTREAM_JOB_BACKEND": "process", "SLIPSTREAM_REGISTRY": "folder", "SLIPSTREAM_GATEWAY_URL": f"http://127.0.0.1:{self.port}",
            **{f"AIRFLOW_CONN_SLIPSTREAM_{name}": away for name in ("MLFLOW", "RAY", "GATEWAY")},
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, str(LIFE), *words], cwd=clone, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told


@pytest.fixture
def story(tmp_path: Path) -> Story:
    shutil.copytree(EXAMPLE, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Story(tmp_path, int(free.getsockname()[1]))


def upgrade(clone: Path) -> None:
    """Plumbing that every step stands on, and the release's number."""
    plumbing, release = clone / "include" / "core" / "storage.py", clone / "pyproject.toml"
    plumbing.write_text(plumbing.read_text() + "\n\nOF_THE_NEXT_RELEASE = True\n")
    release.write_text(release.read_text().replace('version = "', 'version = "9.'))


def test_models_of_a_second_repository_outlive_an_upgrade_of_the_platform(story: Story) -> None:
    shop, one = commit(story.folder / "shop", "two models"), story.platform("one")
    first = story.run("one", "--promote")
    assert first["dags"] == sorted(f"{model}_{part}" for model in ("flight_delay", OWN, OTHER) for part in PARTS)
    assert first["broken"] == {}
    assert first["champions"] == {OWN: 1, OTHER: 1}
    for model in (OWN, OTHER):
        assert first["commits"][model] == [[shop, one]]
        assert f"commit {shop}" in first["traces"][model]
        assert one not in first["traces"][model]

    two = story.platform("two", upgrade)
    second = story.run("two", "--ask")
    assert second["results"] == first["results"]  # nothing was computed again
    for told in ("dags", "broken", "champions", "versions", "commits", "traces"):
        assert second[told] == first[told]
    assert {model: answer["version"] for model, answer in second["answers"].items()} == {OWN: 1, OTHER: 1}

    train = story.models / OWN / "train.py"
    train.write_text(OTHER_FIT)
    later = commit(story.folder / "shop", "another fit")
    third = story.run("two")
    made = [path for path in third["results"] if path not in first["results"]]
    assert sorted({Path(path).parents[2].name for path in made}) == ["evaluate", "train"]  # of one model alone, and no features
    assert len(made) == 2
    assert third["versions"][OTHER] == first["versions"][OTHER]
    assert third["commits"] == {OTHER: [[shop, one]], OWN: [[shop, one], [later, two]]}
    assert f"commit {later}" in third["traces"][OWN]
    assert two not in third["traces"][OWN]
