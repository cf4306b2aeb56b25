"""A model of the tracking server as a file: which of its files, and by what address. The server itself is a folder here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mlflow.exceptions import MlflowException

from include.backends.mlflow import fetch
from include.core.errors import DataError
from include.core.settings import Settings
from tests.support.error_message import assert_says

COLUMNS = '[{"type": "double", "name": "heat"}, {"type": "string", "name": "colour"}]'
TENSOR = '[{"type": "tensor", "name": "X", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What its MLmodel says, which a test changes; `asked`: the addresses that were fetched."""
    said: dict[str, Any] = {"flavors": {"onnx": {"data": "model.onnx"}}, "asked": []}

    def download(uri: str, dst_path: str, **_: Any) -> str:
        said["asked"].append(uri)
        if "missing" in uri:
            raise MlflowException("Registered Model with name=missing not found")
        path = Path(dst_path) / uri.rpartition("/")[2]
        path.write_text(yaml.safe_dump({name: value for name, value in said.items() if name != "asked"}))
        return str(path)

    monkeypatch.setattr(fetch.mlflow.artifacts, "download_artifacts", download)
    monkeypatch.setattr(fetch, "check_reachable", lambda url: None)
    aliased = SimpleNamespace(get_model_version_by_alias=lambda name, alias: SimpleNamespace(version=7))
    monkeypatch.setattr(fetch, "open_client", lambda settings: aliased)
    return said


def fetched(folder: Path, uri: str) -> tuple[Path, tuple[str, ...], str]:
    return fetch.fetch_model(Settings(), uri, folder)


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [("models:/late/3", "models:/late/3"), ("models:/late@best", "models:/late/7"), ("runs:/abc/model", "runs:/abc/model")],
)
def test_only_the_description_and_the_models_file_are_fetched(
    tmp_path: Path, server: dict[str, Any], uri: str, resolved: str
) -> None:
    path, names, address = fetched(tmp_path, uri)
    assert (path.name, names, address) == ("model.onnx", (), resolved)
    assert server["asked"] == [f"{resolved}/MLmodel", f"{resolved}/model.onnx"]


@pytest.mark.parametrize(("signature", "names"), [(COLUMNS, ("heat", "colour")), (TENSOR, ()), ("not json: [", ()), (None, ())])
def test_a_signature_may_name_its_columns(
    tmp_path: Path, server: dict[str, Any], signature: str | None, names: tuple[str, ...]
) -> None:
    server["signature"] = {"inputs": signature}
    assert fetched(tmp_path, "models:/late/3")[1] == names


def test_a_pickle_is_not_even_fetched(tmp_path: Path, server: dict[str, Any]) -> None:
    server["flavors"] = {"sklearn": {"pickled_model": "model.pkl"}, "python_function": {}}
    with pytest.raises(DataError, match="what its flavors hold is a pickle") as refused:
        fetched(tmp_path, "models:/late/3")
    assert_says(refused.value, "log_model")
    assert server["asked"] == ["models:/late/3/MLmodel"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", ""])
def test_a_file_outside_of_the_models_folder_is_refused(tmp_path: Path, server: dict[str, Any], name: str) -> None:
    server["flavors"] = {"onnx": {"data": name}}
    with pytest.raises(DataError, match="names no file of its folder"):
        fetched(tmp_path, "models:/late/3")


@pytest.mark.parametrize("uri", ["models:/late", "models:/late/latest", "runs:/abc", "models:late/3"])
def test_what_is_no_address_is_refused(tmp_path: Path, server: dict[str, Any], uri: str) -> None:
    with pytest.raises(DataError, match="no address of a model") as refused:
        fetched(tmp_path, uri)
    assert_says(refused.value, "models:/name/3")


def test_a_model_that_is_not_there_is_named(tmp_path: Path, server: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="gives no model for models:/missing/1") as refused:
        fetched(tmp_path, "models:/missing/1")
    assert_says(refused.value)
