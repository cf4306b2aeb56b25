"""The MLflow run behind a version: parameters, metrics, data set, lineage, model, card and report."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from include.backends.mlflow.model import write_model
from include.backends.mlflow.names import encoded, parts, whole_names
from include.backends.mlflow.rest import KIND
from include.core import fault
from include.core.markdown import plain
from include.core.request import Json
from include.core.scratch import scratch_folder
from include.core.time import instant
from include.governance.card import render
from include.governance.package import REPORT, Package

KEY = "slipstream.key"
BATCH = 100  # parameters in one call
LONGEST_DIGEST = 36  # of a data set; the whole digest is a tag


def log_run(client: MlflowClient, package: Package, live: str = "") -> str:
    """The id of the key's run with everything in it. Doing it again writes the same once more.

    `live` is the run that showed the training's metrics, if one did: it becomes the key's.
    """
    run_id = _find_or_create(client, package, live)
    fault.point("mlflow.run.created")
    params = _params(package)
    client.log_batch(run_id, metrics=_metrics(package), params=params[:BATCH], tags=_tags(package))
    for start in range(BATCH, len(params), BATCH):
        client.log_batch(run_id, params=params[start : start + BATCH])
    client.log_inputs(run_id, [_dataset(package)])
    fault.point("mlflow.metrics.logged")
    with scratch_folder() as folder:
        files = package.files(folder / "files")
        write_model(package, files, folder / "out" / "model")
        (folder / "out" / "card.md").write_text(render(package))
        if REPORT in files:
            (folder / "out" / REPORT).write_bytes(files[REPORT].read_bytes())
        client.log_artifacts(run_id, str(folder / "out"))
    fault.point("mlflow.artifacts.logged")
    return run_id


def _find_or_create(client: MlflowClient, package: Package, live: str) -> str:
    experiment = _experiment(client, package.model)
    found = client.search_runs([experiment], f"tags.`{KEY}` = '{package.key}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    name = f"{package.model} as of {package.entry.as_of[:10]}"
    if live:
        client.update_run(live, name=name)
        return live
    return str(client.create_run(experiment, run_name=name, tags=package.tags).info.run_id)


def _experiment(client: MlflowClient, name: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is None:
        try:
            return str(client.create_experiment(name, tags=KIND))
        except MlflowException:  # somebody else was first
            known = client.get_experiment_by_name(name)
            if known is None:
                raise
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def _metrics(package: Package) -> list[Metric]:
    # A fixed time: MLflow drops a metric it holds already, so a second try adds no second point.
    milliseconds = int(instant(package.entry.as_of).timestamp() * 1000)
    return [Metric(encoded(name), value, milliseconds, 0) for name, value in package.entry.metrics.items()]


def _params(package: Package) -> list[Param]:
    flat = sorted(_flat(package.facts.params).items())
    return [Param(key, part) for name, value in flat for key, part in parts(name, str(value)).items()]


def _flat(value: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for name, item in value.items():
        flat |= _flat(item, f"{prefix}{name}.") if isinstance(item, Mapping) else {f"{prefix}{name}": item}
    return flat


def _tags(package: Package) -> list[RunTag]:
    note = {
        "mlflow.note.content": plain(package.facts.spec.description),
        "mlflow.source.git.commit": package.entry.lineage.commit,
    }
    whole = whole_names({*package.entry.metrics, *_flat(package.facts.params)})
    return [RunTag(name, value) for name, value in {**package.tags, **note, **whole}.items() if value]


def _dataset(package: Package) -> DatasetInput:
    ref = package.entry.lineage.training_set
    source = f'{{"uri": "{ref.uri}"}}'
    dataset = Dataset(f"{package.model}_training_set", ref.digest[:LONGEST_DIGEST], "slipstream_ledger", source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training"), InputTag("slipstream.digest", ref.digest)])
