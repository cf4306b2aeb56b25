"""The check that comes first in a job's container."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from include.backends.sagemaker import arrive


@pytest.fixture
def image(tmp_path: Path) -> Path:
    for name in ("core/task.py", "backends/sagemaker/arrive.py", "models/shop/train.py"):
        path = tmp_path / "include" / name
        path.parent.mkdir(parents=True)
        path.write_text(f"# {name}\n")
    return tmp_path


def test_the_same_files_have_the_same_digest_wherever_they_lie(image: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(image, other)
    assert arrive.digest(str(image)) == arrive.digest(str(other))
    assert list(arrive.modules(str(image))) == ["include/backends/sagemaker/arrive.py", "include/core/task.py"]


def test_an_edited_a_missing_and_a_further_module_each_change_it_and_a_models_does_not(image: Path) -> None:
    before = arrive.digest(str(image))
    (image / "include/models/shop/train.py").write_text("other")
    assert arrive.digest(str(image)) == before
    (image / "include/core/more.py").touch()
    further = arrive.digest(str(image))
    (image / "include/core/more.py").unlink()
    (image / "include/core/task.py").write_text("other")
    assert len({before, further, arrive.digest(str(image))}) == 3


def test_other_code_is_refused_before_anything_of_ours_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SLIPSTREAM_SAGEMAKER_FOLDER", str(tmp_path))
    monkeypatch.setattr(arrive, "digest", lambda: "a" * 64)
    monkeypatch.setattr(arrive, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    assert arrive.main(["b" * 64, "include.core.task", "train/x"]) == 1
    assert "Safe: nothing was run." in capsys.readouterr().err
    assert "SLIPSTREAM_SAGEMAKER_IMAGE" in (tmp_path / "output" / "failure").read_text()


def test_without_arguments_it_prints_what_is_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arrive, "modules", lambda project="": {"include/core/task.py": "0" * 64})
    assert arrive.main([]) == 0
    assert "include/core/task.py" in capsys.readouterr().out
