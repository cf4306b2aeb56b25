"""What a job does first on a node of a cluster elsewhere: nothing of ours is imported before every file was found in order."""

from __future__ import annotations

import ast
import sys
import zipfile
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import pytest

from include.backends.ray import arrive, on_node
from include.backends.ray.arrive import BROUGHT, FILES, SCRIPT, difference, main
from include.backends.ray.package import Package
from include.core.digest import digest_bytes


@pytest.fixture
def brought(tmp_path: Path) -> tuple[str, Path]:
    """A package of one module, as Ray has unpacked it: its digest and its folder."""
    source = tmp_path / "source.py"
    source.write_text("ONE = 1\n")
    return unpack(Package({SCRIPT: Path(arrive.__file__), "include/part.py": source}), tmp_path / "unpacked")


def unpack(package: Package, folder: Path) -> tuple[str, Path]:
    zipfile.ZipFile(BytesIO(package.zipped())).extractall(folder)
    return package.digest, folder


def test_a_whole_package_is_let_through(brought: tuple[str, Path]) -> None:
    digest, folder = brought
    assert difference(digest, str(folder), BROUGHT) == ""


def test_another_file_is_named_and_the_cure(brought: tuple[str, Path]) -> None:
    digest, folder = brought
    (folder / "include/part.py").write_text("ONE = 2\n")
    said = difference(digest, str(folder), BROUGHT)
    assert "1 files differ: include/part.py." in said
    assert "nothing was run" in said
    assert f"remove {folder}" in said
    (folder / "include/part.py").unlink()
    assert "include/part.py (missing)" in difference(digest, str(folder), BROUGHT)


def test_another_list_is_refused_however_well_its_files_fit(brought: tuple[str, Path]) -> None:
    digest, folder = brought
    text = (folder / FILES).read_text().replace("include/part.py", "include/other.py")
    (folder / FILES).write_text(text)
    (folder / "include/part.py").rename(folder / "include/other.py")
    assert "the list of files is another one" in difference(digest, str(folder), BROUGHT)
    assert difference(digest_bytes(text.encode()), str(folder), BROUGHT) == ""
    (folder / FILES).unlink()
    assert "the list of files is not there" in difference(digest, str(folder), BROUGHT)


def test_another_python_is_refused(brought: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    digest, folder = brought
    monkeypatch.setattr(arrive.platform, "python_version_tuple", lambda: ("3", "9", "2"))
    assert "is 3.9" in difference(digest, str(folder), BROUGHT)


def test_an_image_of_another_release_is_refused_with_its_folder(tmp_path: Path) -> None:
    image = tmp_path / "image"
    (image / "include").mkdir(parents=True)
    (image / "include/part.py").write_text("ONE = 1\n")
    listed = {"include/part.py": digest_bytes(b"ONE = 1\n")}
    digest, folder = unpack(Package({SCRIPT: Path(arrive.__file__)}, listed), tmp_path / "unpacked")
    assert difference(digest, str(folder), str(image)) == ""
    (image / "include/part.py").write_text("ONE = 2\n")
    said = difference(digest, str(folder), str(image))
    assert f"include/part.py.\nSeen: {image}" in said
    assert "SLIPSTREAM_RAY_CODE=package" in said


def test_a_job_is_handed_on_only_when_all_is_in_order(
    brought: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[object] = []
    monkeypatch.setattr(on_node, "run", lambda *given: ran.append(given) or 0)
    digest, folder = brought
    monkeypatch.setattr(arrive, "__file__", str(folder / SCRIPT))
    assert main([digest, BROUGHT, "m", "--generation", "1"]) == 0
    assert ran == [("m", ["--generation", "1"], str(folder))]
    (folder / "include/part.py").write_text("")
    assert main([digest, BROUGHT, "m"]) == 1
    assert len(ran) == 1
    assert "not the code that the job was submitted with" in capsys.readouterr().err


def test_a_copy_that_was_cut_off_runs_no_job(brought: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray unpacks file by file. Whatever beginning of the script there is, it does not come to the job."""
    digest, folder = brought
    (folder / "include/part.py").write_text("other")
    monkeypatch.setattr(on_node, "run", lambda *given: pytest.fail("the job was run"))
    monkeypatch.setattr(sys, "argv", [SCRIPT, digest, BROUGHT, "m"])
    lines = Path(arrive.__file__).read_text().splitlines(keepends=True)
    parsed = 0
    for end in range(1, len(lines) + 1):
        text = "".join(lines[:end])
        try:
            program = compile(ast.parse(text), SCRIPT, "exec")
        except SyntaxError:
            continue
        parsed += 1
        with nullcontext() if end < len(lines) else pytest.raises(SystemExit, match="1"):
            exec(program, {"__name__": "__main__", "__file__": str(folder / SCRIPT)})
    assert parsed > 20


def test_it_stands_on_the_standard_library_alone() -> None:
    tree = ast.parse(Path(arrive.__file__).read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in top if isinstance(node, ast.ImportFrom)]
    assert set(names) <= sys.stdlib_module_names
