"""Values put out of what MLflow holds of a model: tags, descriptions, texts among the artifacts of its runs.

A parameter and a deleted run are never written again by MLflow: they are named, with the command that ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from include.backends.mlflow.client import check_reachable, explained, open_client, pages
from include.core import fault
from include.core.errors import PermanentError
from include.core.scratch import scratch_folder
from include.core.settings import Settings

Scrub = Callable[[str, str], tuple[str, int]]
DESCRIPTION = "description.md"  # stands for the name of what has none
WEIGHTS = (".onnx", ".bin", ".pt", ".safetensors")  # what was learned: the versions are named elsewhere
GC = "delete it (mlflow runs delete --run-id {0}), then `mlflow gc --run-ids {0}` where its database is"


def erase(settings: Settings, model: str, scrub: Scrub, is_text: Callable[[str], bool]) -> tuple[int, list[str]]:
    """How many texts changed, and what may hold a value none the less, in words. Doing it again finds nothing.

    :param is_text: whether a file of some name is one that `scrub` reads
    Raises UnreachableError, and PermanentError for a login that is refused, or another "no".
    """
    client = open_client(settings)
    check_reachable(settings.mlflow_url)
    work = _Work(client, settings.mlflow_url, scrub, is_text)
    try:
        with explained(settings.mlflow_url):
            for run in _runs(client, model):
                work.clean_run(run)
            for version in _versions(client, model):
                work.clean_version(version)
    except MlflowException as error:
        raise PermanentError(
            f"MLflow at {settings.mlflow_url} refused: {error.error_code}.",
            seen=str(error)[:200],
            safe="what was put out stays so.",
            hint="its server's log says more; then give the request again.",
        ) from error
    return work.changed, work.left


@dataclass
class _Work:
    client: MlflowClient
    url: str
    scrub: Scrub
    is_text: Callable[[str], bool]
    changed: int = 0
    left: list[str] = field(default_factory=list)

    def clean_run(self, run: Run) -> None:
        name = run.info.run_id
        if run.info.lifecycle_stage == "deleted":
            self.left.append(f"the deleted run {name}: `mlflow gc --run-ids {name}` where MLflow's database is.")
            return
        if held := [key for key, value in run.data.params.items() if self._left_of(key, value) is not None]:
            self.left.append(
                f"parameters of the run {name} ({', '.join(sorted(held))}), which MLflow writes once: {GC.format(name)}."
            )
        if (title := self._left_of("name", run.info.run_name or "")) is not None:
            self.client.update_run(name, name=title)
        for key, value in run.data.tags.items():
            if (text := self._left_of(key, value)) is not None:
                self.client.set_tag(name, key, text)
        self._artifacts(name)

    def clean_version(self, version: ModelVersion) -> None:
        if (text := self._left_of(DESCRIPTION, version.description or "")) is not None:
            self.client.update_model_version(version.name, version.version, text)
        for key, value in version.tags.items():
            if (text := self._left_of(key, value)) is not None:
                self.client.set_model_version_tag(version.name, version.version, key, text)

    def _artifacts(self, run: str) -> None:
        odd = []
        for path in _files(self.client, run):
            if self.is_text(path) or path.endswith("/MLmodel"):
                with scratch_folder() as folder:
                    self._artifact(run, path, folder)
            elif not path.endswith(WEIGHTS):
                odd.append(path)
        if odd:
            self.left.append(f"artifacts of the run {run} that are no texts, which were not looked into: {', '.join(odd[:10])}.")

    def _artifact(self, run: str, path: str, folder: Path) -> None:
        """Written over under its name: who reads the version meanwhile finds the one or the other."""
        (folder / "in").mkdir()
        local = mlflow.artifacts.download_artifacts(
            f"runs:/{run}/{path}", dst_path=str(folder / "in"), tracking_uri=self.url, registry_uri=self.url
        )
        text = self._left_of(path, Path(local).read_text(errors="surrogateescape"))
        if text is not None:
            place, _, name = path.rpartition("/")
            (folder / name).write_text(text, errors="surrogateescape")
            self.client.log_artifact(run, str(folder / name), place or None)
            fault.point("forget.mlflow.written")

    def _left_of(self, name: str, text: str) -> str | None:
        """The text without the values; None where it holds none."""
        left, count = self.scrub(name, text)
        self.changed += bool(count)
        return left if count else None


def _runs(client: MlflowClient, model: str) -> Iterator[Run]:
    """Those of the model's experiment, deleted ones as well."""
    experiment = client.get_experiment_by_name(model)
    if experiment is None:
        return
    yield from pages(client.search_runs, [experiment.experiment_id], run_view_type=ViewType.ALL)


def _versions(client: MlflowClient, model: str) -> Iterator[ModelVersion]:
    return pages(client.search_model_versions, f"name = '{model}'")


def _files(client: MlflowClient, run: str) -> Iterator[str]:
    folders = [""]
    while folders:
        try:
            found = client.list_artifacts(run, folders.pop() or None)
        except MlflowException as error:
            if error.get_http_status_code() == 404:
                continue
            raise
        folders += [each.path for each in found if each.is_dir]
        yield from (each.path for each in found if not each.is_dir)
