"""A model version, or a run's model, of the tracking server as one local file, in a format that is read without running code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import mlflow
import mlflow.artifacts
import yaml
from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_REGISTRY_URI
from mlflow.exceptions import MlflowException

from include.backends.mlflow.client import check_reachable, explained, open_client
from include.core.errors import DataError
from include.core.settings import Settings

FLAVORS = ("onnx", "xgboost", "lightgbm")  # whose files are read, the first one found
MODEL = re.compile(r"models:/([^/@]+)(?:/(\d+)|@([^/]+))")
RUN = re.compile(r"runs:/[^/]+/.+")
SAFE = "nothing was registered."


def fetch_model(settings: Settings, uri: str, folder: Path) -> tuple[Path, tuple[str, ...], str]:
    """The model's file, the names of its inputs where its signature says them, and its address with the version in it.

    :param uri: models:/name/3, models:/name@alias or runs:/RUN/path
    Raises UnreachableError, PermanentError for a login that is refused, DataError for a model that is not there or not read.
    """
    client = open_client(settings)
    check_reachable(settings.mlflow_url)
    try:
        with explained(settings.mlflow_url), _pointed_at(settings.mlflow_url):
            resolved = _resolved(client, uri)
            described = _download(settings, f"{resolved}/MLmodel", folder)
            model = _described(resolved, described)
            path = _download(settings, f"{resolved}/{_data(resolved, model)}", folder)
    except MlflowException as error:  # an answer that means "no"
        raise DataError(
            f"MLflow at {settings.mlflow_url} gives no model for {uri}.",
            seen=str(error)[:300],
            safe=SAFE,
            hint="write models:/name/3, models:/name@alias or runs:/RUN/model; its pages show which there are.",
        ) from error
    return path, _inputs(model), resolved


@contextmanager
def _pointed_at(url: str) -> Iterator[None]:
    """While it is entered, the server that this whole process means: MLflow looks up `models:/` there, whatever it was told.

    Without it a database of MLflow's own would be made in the present folder, and asked.
    """
    was_set = mlflow.is_tracking_uri_set()
    tracking, registry = mlflow.get_tracking_uri(), MLFLOW_REGISTRY_URI.get()
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(tracking if was_set else None)
        mlflow.set_registry_uri(registry or "")
        if registry is None:
            MLFLOW_REGISTRY_URI.unset()


def _resolved(client: MlflowClient, uri: str) -> str:
    """The address by number: an alias may name another version tomorrow."""
    found = MODEL.fullmatch(uri)
    if found is None:
        if RUN.fullmatch(uri):
            return uri
        raise DataError(
            "This is no address of a model in MLflow.",
            seen=uri,
            safe=SAFE,
            hint="write models:/name/3, models:/name@alias or runs:/RUN/model.",
        )
    name, number, alias = found.groups()
    return f"models:/{name}/{number or client.get_model_version_by_alias(name, alias).version}"


def _download(settings: Settings, uri: str, folder: Path) -> Path:
    url = settings.mlflow_url
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder), tracking_uri=url, registry_uri=url))


def _described(uri: str, path: Path) -> Mapping[str, Any]:
    try:
        model = yaml.safe_load(path.read_text())
        flavors: Mapping[str, Any] = model["flavors"]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"The MLmodel of {uri} cannot be read.", seen=type(error).__name__, safe=SAFE) from error
    if not any(name in flavors for name in FLAVORS):
        raise DataError(
            f"The model at {uri} is not in a format that is read: what its flavors hold is a pickle.",
            seen=sorted(flavors),
            safe=f"{SAFE} Its file was not even fetched.",
            hint="log it with mlflow.onnx.log_model, or register the estimator itself from Python: include.handover.register.",
        )
    return dict(model)


def _data(uri: str, model: Mapping[str, Any]) -> str:
    """The file's name below the model's folder."""
    flavors = model["flavors"]
    flavor = flavors[next(name for name in FLAVORS if name in flavors)]
    name = str(flavor.get("data", "") if isinstance(flavor, Mapping) else "")
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise DataError(f"The MLmodel of {uri} names no file of its folder.", seen=name, safe=SAFE)
    return name


def _inputs(model: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that the signature names; none for one of a tensor."""
    signature = model.get("signature") or {}
    try:
        columns = yaml.safe_load(signature.get("inputs") or "[]")  # JSON, which YAML includes
        return tuple(str(each["name"]) for each in columns if each.get("type") != "tensor" and "name" in each)
    except (yaml.YAMLError, AttributeError, TypeError):
        return ()
