"""Where a model that was trained elsewhere is: an address, or an estimator in memory; and its file on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from include.core.adapters import ADAPTERS, adapter
from include.core.errors import DataError
from include.core.settings import Settings
from include.handover.estimator import write_estimator
from include.services.services import Services

LIMIT = 512 << 20  # bytes of a file: as much as is opened as a model
SAFE = "nothing was registered."
ADDRESSES = "a path, s3://bucket/key, models:/name/3, models:/name@alias, runs:/RUN/model or oip://NAME/MODEL/versions/3"


@dataclass(frozen=True)
class Obtained:
    """A local file. `uri`: where it came from, without what opens it. `inputs`: the names it says its columns have, if any."""

    path: Path
    uri: str
    inputs: tuple[str, ...] = ()


def obtain(services: Services, model: object, inputs: tuple[str, ...], folder: Path) -> Obtained:
    """The file of a model, brought into `folder` where it is not on this machine.

    :param model: an address, or a fitted estimator of scikit-learn, XGBoost or LightGBM
    :param inputs: names of the spec's, in their order
    Raises DataError for an address that leads to no file, and for an estimator that cannot be written as one.
    """
    if not isinstance(model, str | Path):
        return Obtained(write_estimator(model, inputs, folder), f"{type(model).__module__}.{type(model).__qualname__} in memory")
    text = str(model)
    scheme = urlsplit(text).scheme if "://" in text or text.startswith(("models:", "runs:", "mlflow-artifacts:")) else ""
    if scheme in ("models", "runs"):
        return _of_registry(services, text, folder)
    if scheme in ("", "file"):
        return _file(Path(urlsplit(text).path if scheme else text).expanduser().absolute(), text)
    if f"storage.{scheme}" in ADAPTERS:
        return _of_storage(services, text, folder)
    raise DataError(f"No model is read from {scheme}: addresses.", seen=text, safe=SAFE, hint=f"give {ADDRESSES}.")


def _file(path: Path, given: str) -> Obtained:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise DataError(f"There is {what} at {path}.", seen=given, safe=SAFE, hint=f"give {ADDRESSES}.")
    if path.stat().st_size > LIMIT:
        raise DataError(
            f"{path} is larger than a model file may be.",
            seen=f"{path.stat().st_size} bytes", safe="it was not read.", hint=f"the limit is {LIMIT} bytes.",
        )  # fmt: skip
    return Obtained(path, str(path))


def _of_storage(services: Services, uri: str, folder: Path) -> Obtained:
    root, _, name = uri.rpartition("/")
    try:
        local = services.connections.storage(replace(services.settings, root=root)).fetch(name, folder)
    except FileNotFoundError as error:
        raise DataError(f"There is no file at {uri}.", seen=uri, safe=SAFE, hint="is the key right?") from error
    return replace(_file(local, uri), uri=uri)


def _of_registry(services: Services, uri: str, folder: Path) -> Obtained:
    fetch: Callable[[Settings, str, Path], tuple[Path, tuple[str, ...], str]] = adapter("models.mlflow")
    path, names, resolved = fetch(services.with_connection("slipstream_mlflow"), uri, folder)
    return Obtained(_file(path, uri).path, resolved, names)
