"""The classes of Airflow's provider of OpenLineage, where it is not installed: they hold what they are given, by its name."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import attr
import pytest

FACETS = {
    "data_quality_assertions_dataset": ("DataQualityAssertionsDatasetFacet", "Assertion"),
    "data_quality_metrics_input_dataset": ("DataQualityMetricsInputDatasetFacet",),
    "dataset_version_dataset": ("DatasetVersionDatasetFacet",),
    "output_statistics_output_dataset": ("OutputStatisticsOutputDatasetFacet",),
    "schema_dataset": ("SchemaDatasetFacet", "SchemaDatasetFacetFields"),
    "source_code_location_job": ("SourceCodeLocationJobFacet",),
}


class Held:
    def __init__(self, **given: Any) -> None:
        vars(self).update(given)


@attr.define
class Facet:
    """What a facet of ours is a subclass of."""


def provide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `operators.openlineage` find the provider's classes: the real ones, or these."""
    monkeypatch.delitem(sys.modules, "operators.openlineage", raising=False)
    try:
        importlib.import_module("airflow.providers.openlineage.extractors")
        return
    except ImportError:
        pass
    facets = _module("openlineage.client.facet_v2", DatasetFacet=Facet, RunFacet=Facet)
    for name, classes in FACETS.items():
        setattr(facets, name, _module(name, **{each: type(each, (Held,), {}) for each in classes}))
    events = {each: type(each, (Held,), {}) for each in ("InputDataset", "OutputDataset")}
    extractors = _module("airflow.providers.openlineage.extractors", OperatorLineage=type("OperatorLineage", (Held,), {}))
    made = (
        _module("airflow.providers.openlineage"), extractors, _module("openlineage"), _module("openlineage.client"), facets,
        _module("openlineage.client.event_v2", **events),
    )  # fmt: skip
    for module in made:
        monkeypatch.setitem(sys.modules, module.__name__, module)


def _module(name: str, **held: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(held)
    return module
