"""The code that a job brings: the same files make the same package anywhere, and nothing else is in it."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from include.backends.ray import package as packages
from include.backends.ray.package import models_of_package, of_image, whole
from include.core.digest import PROJECT, digest_bytes
from include.core.errors import JobFailedError, SpecError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small platform, and a repository of models beside it."""
    folder = tmp_path / "project"
    for path, text in {
        "include/__init__.py": "", "include/core/task.py": "A = 1\n", "include/models/own/spec.py": "S = 1\n",
        "include/core/schema/script.mako": "x", "include/core/__pycache__/task.cpython-311.pyc": "bytes",
        "include/core/.hidden": "secret", "include/core/left.pyc": "bytes",
    }.items():  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    models = tmp_path / "shop" / "models"
    (models / "churn").mkdir(parents=True)
    (models / "churn" / "spec.py").write_text("SPEC = 1\n")
    (models / "churn" / "words.txt").write_text("good bad")
    (tmp_path / "shop" / "requirements.txt").write_text("lightgbm>=4\n")
    monkeypatch.setattr(packages, "PROJECT", folder)
    return folder


OWN = {"slipstream_job.py"}
PLATFORM = {"include/__init__.py", "include/core/task.py", "include/models/own/spec.py", "include/core/schema/script.mako"}


def test_it_holds_the_platform_and_the_places_of_models_and_no_more(project: Path, tmp_path: Path) -> None:
    made = whole(f"include.models:{tmp_path}/shop/models")
    shop = {"places/1/models/churn/spec.py", "places/1/models/churn/words.txt", "places/1/requirements.txt"}
    assert set(made.files) == OWN | PLATFORM | shop
    with zipfile.ZipFile(io.BytesIO(made.zipped())) as archive:
        assert set(archive.namelist()) == {*made.files, "slipstream_files.json"}
        listing = archive.read("slipstream_files.json")
        assert {path: digest_bytes(archive.read(path)) for path in made.files} == json.loads(listing)["package"]
    assert digest_bytes(listing) == made.digest
    assert made.uri == f"gcs://_ray_pkg_{made.digest}.zip"


def test_a_copy_of_another_day_is_the_same_package(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = whole("include.models")
    copy = tmp_path / "elsewhere"
    shutil.copytree(project, copy)
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
    monkeypatch.setattr(packages, "PROJECT", copy)
    second = whole("include.models")
    assert (second.digest, second.zipped()) == (first.digest, first.zipped())
    (copy / "include/core/task.py").write_text("A = 2\n")
    assert whole("include.models").digest != first.digest


def test_a_package_of_models_comes_whole_and_a_job_is_told_where_it_finds_folders(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_models" / "churn").mkdir(parents=True)
    (tmp_path / "shop_models" / "__init__.py").touch()
    (tmp_path / "shop_models" / "churn" / "spec.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    setting = f"shop_models:{tmp_path}/shop/models:include.models"
    assert {"shop_models/__init__.py", "shop_models/churn/spec.py"} < set(whole(setting).files)
    assert models_of_package(setting) == "shop_models:@project/places/1/models:include.models"
    assert str(tmp_path) not in whole(setting).listing.decode()


def test_links_are_followed_each_once(project: Path, tmp_path: Path) -> None:
    models = tmp_path / "shop" / "models"
    (models / "again").symlink_to(models)
    (models / "shared.py").symlink_to(project / "include/core/task.py")
    assert {path for path in whole(str(models)).files if path.startswith("places/")} == {
        "places/0/models/churn/spec.py", "places/0/models/churn/words.txt", "places/0/models/shared.py",
        "places/0/requirements.txt",
    }  # fmt: skip


def test_data_among_the_code_is_refused_by_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "include" / "weights.bin").write_bytes(bytes(2 << 20))
    monkeypatch.setattr(packages, "LIMIT", 1 << 20)
    with pytest.raises(SpecError, match=r"(?s)2 MiB, more than 1.*weights\.bin.*SLIPSTREAM_RAY_CODE=image"):
        whole("include.models")


def test_a_file_that_changes_while_it_is_packed_is_never_stored_under_the_digest(project: Path) -> None:
    made = whole("include.models")
    assert made.digest
    (project / "include/core/task.py").write_text("A = 3\n")
    with pytest.raises(JobFailedError, match=r"task\.py was changed"):
        made.zipped()


def test_private_authorities_come_with_it(project: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificate")
    for made in (whole("include.models", f"{tmp_path}/ca.pem"), of_image(f"{tmp_path}/ca.pem")):
        assert made.files["slipstream_authorities.pem"].read_text() == "certificate"
    with pytest.raises(SpecError, match="as one file"):
        whole("include.models", str(tmp_path))


def test_of_an_image_the_list_alone_comes_and_says_what_the_platform_must_be(project: Path) -> None:
    made = of_image()
    assert set(made.files) == OWN
    assert made.project == {
        "include/__init__.py": digest_bytes(b""), "include/core/task.py": digest_bytes(b"A = 1\n"),
    }  # fmt: skip


def test_the_platform_itself_fits() -> None:
    made = whole("include.models")
    assert {f"include/{path}" for path in ("core/task.py", "backends/ray/on_node.py", "models/flight_delay/train.py")} < set(
        made.files
    )
    assert all(path.startswith(("include/", "slipstream_")) for path in made.files)
    assert str(PROJECT) not in made.listing.decode()
