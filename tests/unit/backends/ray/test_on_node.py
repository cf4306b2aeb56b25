"""A job on a node elsewhere: its logins stay in its memory, and its workers are held to the same code."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from include.backends.ray import arrive, on_node
from include.backends.ray.arrive import SCRIPT
from include.backends.ray.on_node import environment, require_same_code, run
from include.backends.ray.package import Package
from include.backends.ray.sealed import seal
from include.core import task
from include.core.digest import Code
from include.core.errors import JobFailedError

TOKEN = "a-token-of-the-cluster"


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has asked nothing yet; what it changes of its environment is undone."""
    monkeypatch.setattr(on_node._Process, "code_of", "")
    before = dict(os.environ)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    on_node._package.cache_clear()
    on_node._logins.cache_clear()
    yield
    os.environ.clear()
    os.environ.update(before)
    on_node._package.cache_clear()
    on_node._logins.cache_clear()


@pytest.fixture
def unpacked(tmp_path: Path) -> tuple[str, Path]:
    part, ca = tmp_path / "part.py", tmp_path / "ca.pem"
    part.write_text("ONE = 1\n")
    ca.write_text("certificate")
    package = Package({SCRIPT: Path(arrive.__file__), "include/part.py": part, "slipstream_authorities.pem": ca})
    zipfile.ZipFile(BytesIO(package.zipped())).extractall(tmp_path / "package")
    return package.digest, tmp_path / "package"


def test_logins_are_in_no_environment_but_the_one_that_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = seal({"AIRFLOW_CONN_AWS_DEFAULT": "aws://id:gut-gehuetet@"}, "slip-a", TOKEN)
    for name, value in {"JOB_LOGINS": envelope, "JOB_NAME": "slip-a"}.items():
        monkeypatch.setenv(f"SLIPSTREAM_{name}", value)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert environment()["AIRFLOW_CONN_AWS_DEFAULT"] == "aws://id:gut-gehuetet@"
    assert "gut-gehuetet" not in str(dict(os.environ))


def test_a_step_is_run_with_them_and_with_a_home_that_is_not_in_the_package(
    unpacked: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLIPSTREAM_HOME", raising=False)
    given: list[object] = []
    monkeypatch.setattr(task, "main", lambda argv, environ: given.extend([argv, environ]) or 0)
    assert run("include.core.task", ["train/0", "--generation", "0"], str(unpacked[1])) == 0
    argv, environ = given
    assert argv == ["train/0", "--generation", "0"]
    assert isinstance(environ, dict)
    assert environ["SLIPSTREAM_CA_BUNDLE"] == str(unpacked[1] / "slipstream_authorities.pem")
    home = Path(environ["SLIPSTREAM_HOME"])
    assert (home.parent, home.stat().st_mode & 0o777) == (tmp_path, 0o700)


def test_any_other_module_is_run_as_python_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "body.py").write_text("import pathlib, sys\npathlib.Path(sys.argv[1]).write_text(__name__)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert run("body", [str(tmp_path / "ran")], str(tmp_path)) == 0
    assert (tmp_path / "ran").read_text() == "__main__"


def test_a_worker_whose_node_has_other_code_does_nothing(
    unpacked: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, package = unpacked
    monkeypatch.setenv("SLIPSTREAM_JOB_CODE", digest)
    monkeypatch.syspath_prepend(package)  # as Ray has it; the working folder is Ray Train's by then
    monkeypatch.chdir(tmp_path)
    require_same_code(None)
    monkeypatch.setattr(on_node._Process, "code_of", "")
    with pytest.raises(JobFailedError, match=r"include\.core\.task"):
        require_same_code(Code("0", {"include.core.task": "of another commit"}))
    (package / "include/part.py").write_text("ONE = 2\n")
    with pytest.raises(JobFailedError, match=r"include/part\.py"):
        require_same_code(None)


def test_on_the_submitters_own_machine_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPSTREAM_JOB_CODE", raising=False)
    monkeypatch.setattr(on_node, "difference", lambda *_: pytest.fail("looked"))
    require_same_code(Code("0", {"include.core.task": "of another commit"}))
