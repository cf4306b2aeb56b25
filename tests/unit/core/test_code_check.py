"""A job runs the code that it was asked for with, or nothing: comments aside, and whatever became of it since is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core import code_check, digest
from include.core.code_check import checked, require_code
from include.core.digest import Code, code_of
from include.core.errors import JobFailedError
from include.core.request import Request


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a step that imports a part: the part."""
    monkeypatch.setattr(digest, "PROJECT", tmp_path)
    monkeypatch.setattr(code_check._Process, "code", None)
    folder = tmp_path / "include" / "stage"
    folder.mkdir(parents=True)
    for name, text in {"__init__": "", "step": "from include.stage import part\n", "part": "ONE = 1\n"}.items():
        (folder / f"{name}.py").write_text(text)
    return folder / "part.py"


def asked() -> Code:
    return code_of("include.stage.step:run")


def test_the_same_code_is_let_through_and_remembered_for_the_jobs_own_workers(part: Path) -> None:
    code = asked()
    assert sorted(code.modules) == ["include.stage", "include.stage.part", "include.stage.step"]
    require_code(code)
    assert checked() == code


def test_an_edited_module_is_refused_by_name(part: Path) -> None:
    code = asked()
    part.write_text("ONE = 2\n")
    with pytest.raises(JobFailedError, match=r"(?s)1 of 3 modules differ.*include\.stage\.part.*nothing was run") as refused:
        require_code(code)
    assert "include.stage.step" not in str(refused.value)
    assert checked() is None


def test_a_module_that_is_gone_is_refused_by_name(part: Path) -> None:
    code = asked()
    part.unlink()
    with pytest.raises(JobFailedError, match=r"include\.stage\.part"):
        require_code(code)


def test_another_comment_is_no_other_code(part: Path) -> None:
    code = asked()
    part.write_text("# what it counts\nONE = 1\n")
    require_code(code)


def test_a_request_keeps_its_modules_and_its_key_does_not_know_of_them(part: Path) -> None:
    request = Request.of("step", "include.stage.step:run", "m", params={}, inputs={})
    stored = Request.from_json(request.to_json())
    assert stored.source == asked()
    assert stored.key == Request("step", "include.stage.step:run", "m", code=request.code).key


def test_a_request_of_an_earlier_release_names_no_modules_and_is_run(part: Path) -> None:
    stored = {"step": "s", "function": "f", "model": "m", "params": {}, "inputs": {}, "code": "0" * 64}
    request = Request.from_json(stored)
    require_code(request.source)
    assert "modules" not in request.to_json()
