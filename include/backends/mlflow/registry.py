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

from include.backends.mlflow.client import check_reachable, explained, open_client, pages
from include.backends.mlflow.labels import MlflowLabels, gone, open_labels
from include.backends.mlflow.rest import MlflowRest, open_rest
from include.backends.mlflow.run import KEY, log_run
from include.backends.mlflow.tracking import Delivery
from include.core import fault
from include.core.control import ControlStore
from include.core.errors import PermanentError, SlipstreamError, TransientError
from include.core.ledger import metrics_folder
from include.core.markdown import plain
from include.core.settings import Settings
from include.governance.card import render
from include.governance.package import Package
from include.governance.registry import Published
from include.versions.record import Stage, VersionRecord


def open_registry(settings: Settings, control: ControlStore) -> MlflowRegistry:
    """The registry at `settings.mlflow_url`. Raises UnreachableError when it is used, not here."""
    # The lock and the fence are the caller's: include.governance.registry
    return MlflowRegistry(open_client(settings), open_rest(settings), open_labels(settings, control))


class MlflowRegistry:
    def __init__(self, client: MlflowClient, rest: MlflowRest, labels: MlflowLabels) -> None:
        self.client, self._rest, self._labels, self._url = client, rest, labels, rest.url

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
        self._labels.set_stage(model, version, stage)

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        self._labels.mirror(model, records, aliases)

    def url(self, record: VersionRecord) -> str:
        """Its run; the version's own page where the run is gone, or MLflow does not answer."""
        try:
            experiment = self.client.get_run(record.run_id).info.experiment_id
        except MlflowException:
            return f"{self._url}/#/models/{record.entry.model}/versions/{record.version}"
        return f"{self._url}/#/experiments/{experiment}/runs/{record.run_id}"

    def _search(self, model: str, key: str = "") -> list[ModelVersion]:
        """Versions of a model, oldest first; those of one key if it is given."""
        query = f"name = '{model}'" + (f" and tags.`{KEY}` = '{key}'" if key else "")
        return sorted(pages(self.client.search_model_versions, query), key=lambda version: int(version.version))

    def _ensure_model(self, package: Package) -> None:
        with _silent(RESOURCE_ALREADY_EXISTS):
            tags = {"owner": package.facts.spec.owner}
            self.client.create_registered_model(package.model, tags, plain(package.facts.spec.description))

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        check_reachable(self._url)
        try:
            with explained(self._url):
                yield
        except MlflowException as error:  # an answer that means "no"
            raise _refused(self._url, error) from error


def _refused(url: str, error: MlflowException) -> SlipstreamError:
    if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
        return gone(url, str(error)[:200])
    kind = TransientError if int(error.get_http_status_code()) >= 500 else PermanentError
    return kind(
        f"MLflow at {url} refused: {error.error_code}.",
        seen=str(error)[:400],
        safe="what it holds is found again by its key: doing it again makes no second version.",
        hint="its server's log says more; then clear the task.",
    )


@contextlib.contextmanager
def _silent(code: int) -> Iterator[None]:
    """Let one of MLflow's answers count as done."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(code):
            raise
