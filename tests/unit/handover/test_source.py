"""Addresses of models, and the files behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.adapters import ADAPTERS
from include.core.errors import DataError
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.handover.source import obtain
from include.services.services import Services
from tests.support.error_message import assert_says


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(Settings(home=tmp_path / "home"))


def test_a_path_is_read_where_it_is(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08")
    for given in (path, str(path), f"file://{path}"):
        found = obtain(services, given, (), tmp_path)
        assert (found.path, found.uri, found.inputs) == (path, str(path), ())


def test_an_object_is_fetched_from_the_storage_of_its_address(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bucket" / "late").mkdir(parents=True)
    (tmp_path / "bucket" / "late" / "model.onnx").write_bytes(b"\x08")
    opened: list[str] = []

    def storage(self: Any, settings: Settings) -> LocalStorage:
        opened.append(settings.root)
        return LocalStorage(tmp_path / "bucket" / "late")

    monkeypatch.setattr(type(services.connections), "storage", storage)
    found = obtain(services, "s3://bucket/late/model.onnx", (), tmp_path)
    assert found.path.read_bytes() == b"\x08"
    assert found.uri == "s3://bucket/late/model.onnx"
    assert opened == ["s3://bucket/late"]
    with pytest.raises(DataError, match="no file at s3://bucket/late/other") as refused:
        obtain(services, "s3://bucket/late/other.onnx", (), tmp_path)
    assert_says(refused.value)


@pytest.mark.parametrize("uri", ["models:/late/3", "runs:/abc/model"])
def test_a_model_of_the_registry_says_its_columns(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setitem(ADAPTERS, "models.mlflow", f"{__name__}:fetch")
    found = obtain(services, uri, (), tmp_path)
    assert (found.path.name, found.uri, found.inputs) == ("model.onnx", f"{uri}!", ("heat",))


def fetch(settings: Settings, uri: str, folder: Path) -> tuple[Path, tuple[str, ...], str]:
    del settings
    (folder / "model.onnx").write_bytes(b"\x08")
    return folder / "model.onnx", ("heat",), f"{uri}!"


@pytest.mark.parametrize(
    ("given", "words"),
    [("gopher://x/y", "gopher: addresses"), ("/nowhere/model.onnx", "no file at"), (".", "a folder at"), ("ftp://h/m", "ftp:")],
)
def test_what_leads_to_no_file_is_explained(services: Services, tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as refused:
        obtain(services, given, (), tmp_path)
    assert_says(refused.value, "models:/name/3")
