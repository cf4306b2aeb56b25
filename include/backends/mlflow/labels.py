"""A model's stages as tags and aliases in MLflow's registry, over REST: importing MLflow costs 4 s and 200 MB.

Its registry is edited by people, too: a registered model, or one of its versions, may be gone. That is told as an error with
its cure, after everything else is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from include.backends.mlflow.rest import CONNECTION, MlflowRest
from include.core.connection import from_env
from include.core.control import ControlStore
from include.core.errors import DataError, SlipstreamError, TransientError
from include.core.settings import Settings
from include.governance.labels import ALIASES
from include.versions.record import Stage, VersionRecord
from include.versions.shown import given_up, override_of, promoted_by

OURS = frozenset({*ALIASES.values(), "challenger"})  # aliases that people set beside these are left alone
GONE = "given_up"  # the tag of a version that was
PROXIED = "mlflow-artifacts:"  # of artifacts that the server itself keeps
ABSENT = "RESOURCE_DOES_NOT_EXIST"
STALE = "were matched"  # its server's words (SQLAlchemy's) for a row that another request changed meanwhile; as HTTP 400
SAFE = "what serves is not touched: the control store decides, and the files are in the ledger"


def open_labels(settings: Settings, control: ControlStore) -> MlflowLabels:
    """The labels at `settings.mlflow_url`, with the login of the connection `slipstream_mlflow`."""
    del control  # who writes, and what, is the caller's: include/governance/mirror.py
    connection = from_env(CONNECTION, settings.environ)
    return MlflowLabels(settings.mlflow_url, *((connection.login, connection.password) if connection else ()))


class MlflowLabels(MlflowRest):
    """Raises UnreachableError, PermanentError for a refused login, DataError for a model or version that is gone there."""

    safe, back = f"{SAFE}; the retry makes no second version", "`slipstream mirror MODEL` then shows the stages"
    login_hint = f"set the login and password of {CONNECTION!r}, and allow it to edit; then `slipstream mirror MODEL`."

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        """Make tags (stage, semver, gate) and aliases exactly these; writes only what differs.

        Raises DataError where the model is gone, or a version that an alias should name, once the rest is shown.
        """
        held, now = self.versions(model), self.aliases(model)
        for record in records:
            if given_up(record) is not None and GONE not in held.get(record.version, {GONE: ""}):
                self._clear(record)  # before the tag that says so: a kill between them does it again
            for name, value in _labels(record).items():
                if record.version in held and held[record.version].get(name) != value:
                    self._tag(model, record.version, name, value)
        self._point(model, now, {alias: at for alias, at in aliases.items() if at in held})
        if gone := sorted({at for at in aliases.values() if at not in held}):
            raise _version_gone(self.url, model, gone)

    def set_stage(self, model: str, version: int, stage: Stage) -> None:
        """Tag one version with its stage, and move the alias of that stage to it."""
        if version not in self.versions(model):
            self.aliases(model)  # the model itself may be gone
            raise _version_gone(self.url, model, [version])
        self._tag(model, version, "stage", str(stage))
        others = {alias: at for alias, at in self.aliases(model).items() if at != version or alias not in ALIASES.values()}
        wanted = {ALIASES[stage]: version} if stage in ALIASES else {}
        self._point(model, self.aliases(model), {**others, **wanted})

    def aliases(self, model: str) -> dict[str, int]:
        """Alias to version. Raises DataError where there is no such registered model."""
        found = self._call("GET", "/registered-models/get", params={"name": model})["registered_model"]
        return {each["alias"]: int(each["version"]) for each in found.get("aliases", [])}

    def versions(self, model: str) -> dict[int, dict[str, str]]:
        """Number to tags, of the versions it has; empty where there is no such registered model."""
        query: dict[str, Any] = {"filter": f"name = '{model}'", "max_results": 1000}
        found: dict[int, dict[str, str]] = {}
        while True:
            page = self._call("GET", "/model-versions/search", params=query)
            for each in page.get("model_versions", []):
                found[int(each["version"])] = {tag["key"]: tag["value"] for tag in each.get("tags", [])}
            if not page.get("next_page_token"):
                return found
            query["page_token"] = page["next_page_token"]

    def _tag(self, model: str, version: int, name: str, value: str) -> None:
        body = {"name": model, "version": str(version), "key": name, "value": value}
        self._call("POST", "/model-versions/set-tag", json=body)

    def _clear(self, record: VersionRecord) -> None:
        """Remove what its run holds as files, where MLflow's server keeps them; a run that is gone, or whose files lie elsewhere,
        is left alone."""
        run = self._call("GET", "/runs/get", params={"run_id": record.run_id}, absent_ok=True)
        place = run["run"]["info"].get("artifact_uri", "") if run is not None else ""
        if place.startswith(PROXIED):
            path = urlsplit(place).path.lstrip("/")
            self._call("DELETE", f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{path}", absent_ok=True)

    def _point(self, model: str, now: Mapping[str, int], aliases: Mapping[str, int]) -> None:
        for alias in OURS & now.keys() - aliases.keys():
            self._call("DELETE", "/registered-models/alias", json={"name": model, "alias": alias})
        for alias, version in aliases.items():
            if now.get(alias) != version:
                self._call("POST", "/registered-models/alias", json={"name": model, "alias": alias, "version": str(version)})

    def _refused(self, asked: str, answer: httpx.Response) -> SlipstreamError:
        if STALE in answer.text:
            return TransientError(
                f"MLflow at {self.url} was changing the same row for somebody else at that moment.",
                seen=answer.text[:200], safe=f"{SAFE}.", hint="none: it is tried again, or `slipstream mirror MODEL`.",
            )  # fmt: skip
        if ABSENT in answer.text:
            return gone(self.url, answer.text[:200])
        return super()._refused(asked, answer)


def gone(url: str, seen: str) -> DataError:
    """The registered model, or what was asked of it, is not there any more."""
    return DataError(
        f"MLflow at {url} has no such registered model or version: it was deleted there.",
        seen=seen,
        safe=f"{SAFE}.",
        hint="restore MLflow's database from its backup, or leave it: the next registration makes the model again. "
        "Then `slipstream mirror MODEL`.",
    )


def _version_gone(url: str, model: str, numbers: Sequence[int]) -> DataError:
    listed = ", ".join(map(str, numbers))
    return DataError(
        f"MLflow at {url} lacks version {listed} of {model}, which an alias should name: it was deleted there. "
        "The others are shown.",
        safe=f"{SAFE}.",
        hint=f"MLflow gives a deleted version no second life: restore its database from its backup, then `slipstream mirror "
        f"{model}`; or leave it until another version is in its place.",
    )


def _labels(record: VersionRecord) -> dict[str, str]:
    gate = record.entry.gate
    verdict = "passed" if gate.passed else "closed: " + "; ".join(gate.reasons)
    if (override := override_of(record)) is not None:
        verdict = f"{override.words} ({verdict})"
    by = {"promoted_by": ", ".join(names)} if (names := promoted_by(record)) else {}
    gone = {GONE: told.words} if (told := given_up(record)) is not None else {}
    return {"stage": str(record.stage), "semver": record.semver, "gate": verdict[:4000], **by, **gone}
