from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from include.core.catalog import load_spec
from include.core.errors import SpecError
from include.core.requirements import constraints, files, require_met, unmet, unmet_in
from tests.support.error_message import assert_says
from tests.support.toy_spec import SPEC


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the models ant and bee under `models/`."""
    for name in ("ant", "bee"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "spec.py").write_text(SPEC.format(name=name))
    return tmp_path


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("numpy>=1", ()),
        (f"numpy=={version('numpy')}", ()),
        ("NumPy", ()),
        ("numpy>=900,<901", (f"numpy<901,>=900 ({version('numpy')} is installed)",)),
        ("no-such-library>=2", ("no-such-library>=2 (not installed)",)),
        ("no-such-library; python_version < '3'", ()),
        ("no-such-library ; python_version >= '3'", ("no-such-library (not installed)",)),
        ("no-such-library==1 --hash=sha256:abc \\\n    --hash=sha256:def", ("no-such-library==1 (not installed)",)),
        ("  # a comment\n\nnumpy  # here", ()),
        ("--index-url https://somewhere.example/simple\n-c other.txt\n-e ./lib", ()),
        ("./lib/own.whl", ()),
        ("git+https://somewhere.example/own.git", ()),
        ("no-such-library @ https://x.example/own.whl", ("no-such-library@ https://x.example/own.whl (not installed)",)),
    ],
)  # fmt: skip
def test_what_pip_writes_is_compared_with_what_is_installed(line: str, said: tuple[str, ...], tmp_path: Path) -> None:
    got = [each.replace(" @", "@") for each in unmet_in(write(tmp_path / "requirements.txt", line))]
    assert tuple(got) == said


def test_files_of_files_are_read_and_circles_end(tmp_path: Path) -> None:
    write(tmp_path / "base.txt", "-r requirements.txt", "no-such-library")
    assert unmet_in(write(tmp_path / "requirements.txt", "-r base.txt", "numpy")) == ("no-such-library (not installed)",)


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "requirements.txt", "numpy", "numpy >= >= 2")
    with pytest.raises(SpecError) as refused:
        unmet_in(path)
    assert_says(refused.value, f"{path}:2: numpy >= >= 2", "lightgbm>=4.6,<5")


def test_a_place_asks_for_all_its_models_and_a_model_for_itself(repository: Path) -> None:
    models = str(repository / "models")
    assert files("ant", models) == []
    require_met("ant", models)
    of_all = write(repository / "requirements.txt", "numpy", "no-such-library")
    own = write(repository / "models" / "ant" / "requirements.txt", "no-such-thing==1")
    assert (files("ant", models), files("bee", models)) == ([of_all, own], [of_all])
    with pytest.raises(SpecError) as refused:
        require_met("ant", models)
    assert_says(
        refused.value, "model 'ant' requires: no-such-library (not installed); no-such-thing==1 (not installed)",
        str(of_all), "slipstream requirements --constraints", f"pip install -r {of_all} -c platform.txt",
    )  # fmt: skip
    assert set(unmet("bee", models)) == {of_all}
    assert load_spec("ant", models).name == "ant"  # a gateway serves it, and needs none of this


def test_a_file_is_read_again_when_it_changes(repository: Path) -> None:
    path, models = write(repository / "requirements.txt", "no-such-library"), str(repository / "models")
    assert unmet("ant", models)
    write(path, "numpy")
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))
    assert not unmet("ant", models)


def test_the_platforms_own_lock_is_nobodys_requirement_and_a_model_without_a_folder_has_none() -> None:
    assert files("flight_delay", "include.models") == files("late_departure", "examples.models") == []
    assert files("no_such_model", "include.models") == files("ant", "/no/such/folder") == []


def test_constraints_are_exact_versions_without_hashes(tmp_path: Path) -> None:
    locked = constraints()
    assert f"numpy=={version('numpy')}" in locked
    assert f"torch=={version('torch')}" in locked
    assert not [line for line in locked if "sha256" in line or " " in line]
    assert f"numpy=={version('numpy')}" in constraints(tmp_path / "requirements.txt")  # an image has no lock
