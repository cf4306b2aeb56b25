"""The libraries that the console brings are those that were fetched, with their licences; a changed byte is found."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.support.scripts import load_script

VENDOR = load_script("console_vendor")
FOLDER, digest, libraries, problems, unpacked = (
    getattr(VENDOR, name) for name in ("FOLDER", "digest", "libraries", "problems", "unpacked")
)


def test_the_files_are_those_that_were_fetched_and_each_brings_its_licence() -> None:
    assert list(problems(libraries())) == []
    for each in libraries():
        assert each["tarball"].startswith("https://registry.npmjs.org/")
        assert each["version"] in each["tarball"]
        assert f"{each['name']}/LICENSE" in each["files"]
    assert {each["licence"] for each in libraries()} <= {"MIT", "BSD-3-Clause"}


def test_a_changed_a_missing_and_a_strange_file_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "vendor"
    shutil.copytree(FOLDER, folder)
    (folder / "uplot" / "uPlot.esm.js").write_bytes((folder / "uplot" / "uPlot.esm.js").read_bytes() + b" ")
    (folder / "lit-html" / "LICENSE").unlink()
    (folder / "more.js").touch()
    assert list(problems(libraries(), folder)) == [
        "lit-html/LICENSE is missing",
        "more.js is of no library that is noted",
        "uplot/uPlot.esm.js has other bytes than those that were fetched",
    ]


def test_a_tarball_that_is_not_the_noted_one_is_refused() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/a.js")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"1"))
    tarball = packed.getvalue()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    files = {"a/a.js": {"from": "package/a.js", "sha256": digest(b"1")}}
    library = {"name": "a", "version": "1", "integrity": integrity, "files": files}
    assert unpacked(library, tarball) == {"a/a.js": b"1"}
    with pytest.raises(ValueError, match="is noted"):
        unpacked(library, tarball + b"\0")
