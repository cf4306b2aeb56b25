"""The newest skew finding where the metrics page finds it: a document of the control store a finding. Imports no data library."""

from __future__ import annotations

from collections.abc import Iterator

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.request import Result
from include.core.spec import ModelSpec
from include.core.versioned import Format

FINDINGS = DocumentKind("skew", Format("a finding of skew"))


def record(control: ControlStore, model: str, result: Result) -> None:
    """Keep the shares of a `skew` result, once a result."""

    shares = {row["feature"]: row["share"] for row in result.value["features"]}
    FINDINGS.save(control, f"skew/{result.key}/{result.generation}", model, {"level": result.value["level"], "shares": shares})


def last_shares(control: ControlStore, model: str) -> dict[str, float]:
    """Feature to the share of differing values, of the newest finding; empty before the first."""
    found = FINDINGS.newest(control, model)
    return dict(found[0].body["shares"]) if found else {}


def samples(control: ControlStore, spec: ModelSpec) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """For the metrics page: the newest finding's shares, and what is too much."""
    yield "slipstream_skew_limit", (spec.name,), spec.monitoring.skew_error
    for feature, share in last_shares(control, spec.name).items():
        yield "slipstream_skew_share", (spec.name, feature), share
