"""The page that Prometheus scrapes, for all processes of a gateway. Docs: docs/monitoring/reference.md, Service health."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from include.core.spec import Objectives
from include.serving.telemetry.counters import FAMILIES, Series
from include.serving.telemetry.exposition import Family, Sample, lines
from include.serving.telemetry.health import EMPTY, HEALTH
from include.serving.telemetry.service_level import OBJECTIVES, samples

ROUTE = Family("slipstream_route_generation", "Generation of the applied route.", "gauge", ("model",))

ROUTES_AGE = Family("slipstream_routes_age_seconds", "Time since the routes were read from the control store.", "gauge", ())
CERTIFICATE = Family("slipstream_certificate_expires_seconds", "When the gateway's certificate ends, Unix time.", "gauge", ())
OWN = (ROUTE, ROUTES_AGE, CERTIFICATE, *OBJECTIVES, *HEALTH, EMPTY)


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
    return "\n".join([*counted, *lines(OWN, read)]) + "\n"


def own_samples(routes_age: float | None, certificate_ends: datetime | None) -> Iterator[Sample]:
    """Of the worker that answers; what there is not has no line."""
    if routes_age is not None:
        yield ROUTES_AGE.name, (), routes_age
    if certificate_ends is not None:
        yield CERTIFICATE.name, (), certificate_ends.timestamp()


def names() -> set[str]:
    """Every name a sample of the page may have: a histogram has three."""
    found = set()
    for family in (*FAMILIES.values(), *OWN):
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        found |= {family.name + suffix for suffix in suffixes}
    return found
