"""The Registry port on MLflow: one run and one model version for each registration key.

Both carry the key as the tag `slipstream.key`; what a killed process left behind is found by it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

from include.backends.mlflow_client import check_reachable, explained, open_client
from include.backends.mlflow_rest import MlflowRest, open_rest
from include.backends.mlflow_run import KEY, log_run
from include.backends.mlflow_tracking import Delivery
from include.core import fault
from include.core.control import ControlStore
from include.core.ledger import metrics_folder
from include.core.markdown import plain
from include.core.settings import Settings
from include.governance.card import render
from include.governance.package import Package
from include.governance.registry import ALIASES, Published
from include.governance.version import Stage, VersionRecord

OURS = frozenset({*ALIASES.values(), "challenger"})  # aliases that people set beside these are left alone


def open_registry(settings: Settings, control: ControlStore) -> MlflowRegistry:
    """The registry at `settings.mlflow_url`. Raises UnreachableError when it is used, not here."""
    del control  # the turn and the fence are the caller's: include.governance.registry
    return MlflowRegistry(open_client(settings), open_rest(settings))


class MlflowRegistry:
    def __init__(self, client: MlflowClient, rest: MlflowRest) -> None:
        self.client, self._rest, self._url = client, rest, rest.url

    def publish(self, package: Package) -> Published:
        with self._talking():
            live = self._deliver(package)
            for version in self._search(package.model, package.key):
                return Published(int(version.version), str(version.run_id))
            run_id = log_run(self.client, package, live)
            self.client.set_terminated(run_id)  # before there is a version: a retry that finds one has nothing left to do
            self._ensure_model(package)
            source = f"{self.client.get_run(run_id).info.artifact_uri}/model"
            made = self.client.create_model_version(
                package.model, source, run_id, tags=package.tags, description=render(package), await_creation_for=0
            )
            fault.point("mlflow.version.created")
            return Published(int(made.version), run_id)

    def _deliver(self, package: Package) -> str:
        """Bring the training's metrics that are still in its spool to its run; returns the run, if there is one."""
        train = package.facts.train
        folder = metrics_folder(train.key, train.generation)
        delivery = Delivery(self._rest, package.ledger.storage, folder, package.model)
        delivery.deliver()
        return delivery.run()

    def withdraw(self, model: str, version: int) -> None:
        with self._talking(), _silent(RESOURCE_DOES_NOT_EXIST):
            self.client.delete_model_version(model, str(version))

    def set_stage(self, model: str, version: int, stage: Stage) -> None:
        with self._talking():
            self.client.set_model_version_tag(model, str(version), "stage", str(stage))
            wanted = ALIASES.get(stage)
            for alias, at in self._aliases(model).items():
                if at == version and alias in ALIASES.values() and alias != wanted:
                    self.client.delete_registered_model_alias(model, alias)
            if wanted is not None:
                self.client.set_registered_model_alias(model, wanted, str(version))

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        with self._talking():
            held = {int(version.version): version for version in self._search(model)}
            for record in records:
                if record.version in held:
                    self._tag(model, held[record.version], _labels(record))
            self._point(model, {alias: at for alias, at in aliases.items() if at in held})

    def url(self, record: VersionRecord) -> str:
        experiment = self.client.get_run(record.run_id).info.experiment_id
        return f"{self._url}/#/experiments/{experiment}/runs/{record.run_id}"

    def _tag(self, model: str, version: ModelVersion, labels: Mapping[str, str]) -> None:
        for name, value in labels.items():
            if version.tags.get(name) != value:
                self.client.set_model_version_tag(model, str(version.version), name, value)

    def _point(self, model: str, aliases: Mapping[str, int]) -> None:
        now = self._aliases(model)
        for alias in OURS & now.keys() - aliases.keys():
            self.client.delete_registered_model_alias(model, alias)
        for alias, version in aliases.items():
            if now.get(alias) != version:
                self.client.set_registered_model_alias(model, alias, str(version))

    def _aliases(self, model: str) -> dict[str, int]:
        found = self.client.get_registered_model(model).aliases
        return {alias: int(version) for alias, version in found.items()}

    def _search(self, model: str, key: str = "") -> list[ModelVersion]:
        """Versions of a model, oldest first; those of one key if it is given."""
        query = f"name = '{model}'" + (f" and tags.`{KEY}` = '{key}'" if key else "")
        found: list[ModelVersion] = []
        token: str | None = None
        while True:
            page = self.client.search_model_versions(query, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda version: int(version.version))

    def _ensure_model(self, package: Package) -> None:
        with _silent(RESOURCE_ALREADY_EXISTS):
            tags = {"owner": package.facts.spec.owner}
            self.client.create_registered_model(package.model, tags, plain(package.facts.spec.description))

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        check_reachable(self._url)
        with explained(self._url):
            yield


def _labels(record: VersionRecord) -> dict[str, str]:
    gate = record.entry.gate
    verdict = "passed" if gate.passed else "closed: " + "; ".join(gate.reasons)
    return {"stage": str(record.stage), "semver": record.semver, "gate": verdict[:4000]}


@contextlib.contextmanager
def _silent(code: int) -> Iterator[None]:
    """Let one of MLflow's answers count as done."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(code):
            raise
