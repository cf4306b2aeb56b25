"""A task's data sets as OpenLineage's events have them, for Airflow's provider. Imported only when that asks.

Data sets of the storage are named as OpenLineage names files: `file` and a path, or `s3://bucket` and a key. What is not in a
facet of the standard (the digest, the day, the window, the gate) stands in one of ours, `slipstream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attr
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    source_code_location_job,
)

from include.core.json_types import Json
from include.core.repository import Commits
from include.overview.datasets import Data, Flow

S3 = "s3://"


@attr.define
class SlipstreamDataset(DatasetFacet):
    """What we know of a data set that no facet of the standard has."""

    facts: dict[str, Json]


@attr.define
class SlipstreamResult(RunFacet):
    """The result in the ledger that a task has made or found: its key, attempt, digest and code."""

    facts: dict[str, Json]


def lineage_of(flow: Flow, root: str, commits: Commits) -> OperatorLineage:
    """`root`: of the storage; `commits`: of the model's code and of the platform's."""
    code = {"slipstream": SlipstreamResult(facts={**flow.facts, "commit": commits.model, "platform_commit": commits.platform})}
    located = {"sourceCodeLocation": _location(commits)} if commits.model else {}
    return OperatorLineage(
        inputs=[_input(each, root) for each in flow.inputs],
        outputs=[_output(each, root) for each in flow.outputs],
        run_facets=code,
        job_facets=located,
    )


def _location(commits: Commits) -> Any:
    return source_code_location_job.SourceCodeLocationJobFacet(type="git", url="", version=commits.model)


def _input(data: Data, root: str) -> Any:
    namespace, name = named(data, root)
    facets: dict[str, Any] = {}
    if data.rows is not None:
        facets["dataQualityMetrics"] = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            rowCount=data.rows, bytes=data.bytes, columnMetrics={}
        )
    if data.checks:
        facets["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
            assertions=[_assertion(check) for check in data.checks]
        )
    return InputDataset(namespace=namespace, name=name, facets=_facets(data), inputFacets=facets)


def _assertion(check: Mapping[str, Any]) -> Any:
    """An expectation's answer: never the rows that it found."""
    column = check["column"] or None
    return data_quality_assertions_dataset.Assertion(
        assertion=check["expectation"], success=bool(check["success"]), column=column
    )


def _output(data: Data, root: str) -> Any:
    namespace, name = named(data, root)
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=data.rows, size=data.bytes)
    return OutputDataset(namespace=namespace, name=name, facets=_facets(data), outputFacets={"outputStatistics": statistics})


def _facets(data: Data) -> dict[str, Any]:
    facets: dict[str, Any] = {"slipstream": SlipstreamDataset(facts={**data.facts, "digest": data.version})}
    if data.version:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=data.version)
    if data.columns:
        fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in data.columns]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
    return facets


def named(data: Data, root: str) -> tuple[str, str]:
    """Namespace and name, as OpenLineage's naming of files says."""
    if data.place:
        return data.place, data.name
    if root.startswith(S3):
        bucket, _, prefix = root.removeprefix(S3).partition("/")
        return f"{S3}{bucket}", "/".join(filter(None, (prefix.strip("/"), data.name)))
    return "file", f"{root.rstrip('/')}/{data.name}"
