"""The step `import`: a model file that was trained elsewhere becomes one that serves, with the contract of the spec's inputs.

Its bytes lie in the storage under their digest, `imported/{model}/{digest}/`, so the step is as repeatable as any: invalidated,
it is computed again from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from include.core.digest import canonical_json, digest_file
from include.core.errors import DataError, IntegrityError
from include.core.request import Json, Outcome, Request
from include.core.storage import Storage
from include.core.task import Task
from include.core.time import utc_now
from include.core.versioned import Format
from include.governance.conversion import format_of, write_served
from include.model_contract.encoder import Encoder
from include.model_contract.model import is_remote
from include.model_contract.remote import KEY, ONNX, REMOTE, Remote
from include.problems.of import of_params
from include.step_values.imported import ImportValue, SourceValue

STEP, FUNCTION = "import", "include.governance.import_step:run"
ORIGIN = Format("where an imported model came from")


@dataclass(frozen=True)
class Stored:
    """The bytes of a model file in the storage."""

    digest: str
    path: str


def store(storage: Storage, model: str, file: Path, *, uri: str, by: str) -> Stored:
    """Keep the file, and who brought it from where. Of the same bytes the first keeps its word: they are one model."""
    digest, kind = digest_file(file), format_of(file)
    made = Stored(digest, f"{_folder(model, digest)}/model")
    origin = {"uri": uri, "by": by, "format": kind, "bytes": file.stat().st_size, "at": utc_now().isoformat()}
    storage.upload(file, made.path)
    storage.create(f"{_folder(model, digest)}/origin.json", canonical_json(ORIGIN.stamp(origin)))
    return made


def _folder(model: str, digest: str) -> str:
    return f"imported/{model}/{digest}"


def import_request(model: str, stored: Stored, signature: Mapping[str, Json]) -> Request:
    """Of the bytes and the contract alone: whoever registers them again finds the result. `signature`: see `signature.json`."""
    source = {"digest": stored.digest, "path": stored.path}
    return Request.of(STEP, FUNCTION, model, params={"source": source, "signature": dict(signature)}, inputs={})


def run(task: Task) -> Outcome:
    """Params `source` {digest, path} and `signature`. Writes `model.onnx`, or `remote.json` of a model that another server
    serves, and `signature.json`.

    Raises IntegrityError where the bytes are not those any more, DataError where the model does not fit the signature.
    """
    source, signature = task.params["source"], task.params["signature"]
    file = _fetch(task, source)
    remote = json.loads(file.read_bytes()) if is_remote(file) else None
    name = ONNX if remote is None else REMOTE
    served = task.workdir / "served" / name
    served.parent.mkdir()
    write_served(file, Encoder.from_json(signature), served, of_params(signature))
    described = task.workdir / "signature.json"
    described.write_text(json.dumps(signature, indent=1))
    origin = read_origin(task.storage, task.request.model, source["digest"])
    value: ImportValue = {
        "metrics": {},
        "history": [],
        "params": {"format": origin["format"]},
        "rows": 0,
        "holdout_rows": 0,
        "as_of": origin["at"],
        "source": origin,
    }
    if remote is not None:
        value["remote"] = Remote.from_json(remote).to_json()[KEY]
    return Outcome(value, {name: served, "signature.json": described})


def _fetch(task: Task, source: Mapping[str, str]) -> Path:
    try:
        file = task.storage.fetch(source["path"], task.workdir)
    except FileNotFoundError as error:
        raise DataError(
            f"The file of the model that was registered is gone: {task.storage.uri(source['path'])}.",
            safe="what was made of it stays.",
            hint="register it again: slipstream register.",
        ) from error
    if digest_file(file) != source["digest"]:
        raise IntegrityError(
            f"{task.storage.uri(source['path'])} does not match its digest.",
            safe="nothing was loaded from it.",
            hint="register it again.",
        )
    return file


def read_origin(storage: Storage, model: str, digest: str) -> SourceValue:
    """Who brought the bytes from where, first."""
    held: Mapping[str, Any] = ORIGIN.read(json.loads(storage.read(f"{_folder(model, digest)}/origin.json")))
    kept = {name: held[name] for name in ("uri", "bytes", "format", "by", "at")}
    return cast("SourceValue", {**kept, "digest": digest})
