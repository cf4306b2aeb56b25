"""The page that Prometheus scrapes, for all processes of a gateway. Docs: docs/monitoring/reference.md, Service health."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from include.core.spec import Objectives
from include.serving.telemetry.counters import FAMILIES, Series
from include.serving.telemetry.exposition import Family, Sample, lines
from include.serving.telemetry.health import EMPTY, HEALTH
from include.serving.telemetry.service_level import OBJECTIVES, samples

ROUTE = Family("slipstream_route_generation", "Generation of the applied route.", "gauge", ("model",))


def metrics_page(
    series: Series,
    generations: Mapping[str, int],
    promised: Iterable[tuple[str, Objectives]] = (),
    health: Iterable[Sample] = (),
) -> str:
    """`generations`: the applied route of each model; `promised`: each with its objectives; `health`: what Health has read."""
    counted = (line for family in FAMILIES.values() for line in family.lines(series[family.name]))
    routes = ((ROUTE.name, (model,), float(value)) for model, value in generations.items())
    read = (*routes, *samples(series, promised), *health)
    return "\n".join([*counted, *lines((ROUTE, *OBJECTIVES, *HEALTH, EMPTY), read)]) + "\n"


def names() -> set[str]:
    """Every name a sample of the page may have: a histogram has three."""
    found = set()
    for family in (*FAMILIES.values(), ROUTE, *OBJECTIVES, *HEALTH, EMPTY):
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        found |= {family.name + suffix for suffix in suffixes}
    return found
