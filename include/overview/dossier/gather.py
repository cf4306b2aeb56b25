"""The body of a dossier: every section from the stores as they are now. What cannot be said is said to be missing, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from include.core.control import ControlStore
from include.core.errors import SlipstreamError, one_line
from include.core.ledger import Ledger
from include.core.request import Json
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from include.core.storage import Storage
from include.core.time import timestamp
from include.costs.version import VersionCost
from include.governance.dossier.audit_part import audit_part
from include.governance.lineage import Trace, trace
from include.overview.dossier import files, judged, made, since
from include.versions.record import VersionRecord


class Installation(Protocol):
    """What a dossier is gathered from, as `include.services` opens it."""

    @property
    def settings(self) -> Settings: ...

    @property
    def control(self) -> ControlStore: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def storage(self) -> Storage: ...

    def spec(self, model: str) -> ModelSpec: ...

    def owner(self, name: str) -> PartitionOwner: ...

    def cost(self, record: VersionRecord) -> VersionCost: ...


Section = Callable[[], Any]


def gather(services: Installation, model: str, version: int | None, made_by: str) -> dict[str, Any]:
    """The body of the dossier of a version; by default of the one in production. Raises DataError where there is none."""
    traced = trace(services.ledger, services.control, model, version)
    record, control, ledger = traced.record, services.control, services.ledger
    rollouts = judged.rollout_ids(control, model, record.version)
    sections: dict[str, Section] = {
        "purpose": lambda: made.purpose(services.spec(model)),
        "data": lambda: made.data(ledger, record),
        "features": lambda: made.features(ledger, record, services.spec(model), lambda name: services.owner(name).owner),
        "code": lambda: made.code(ledger, control, record),
        "environment": lambda: made.environment(),
        "training": lambda: made.training(ledger, control, record),
        "evaluation": lambda: judged.evaluation(ledger, record),
        "gate": lambda: judged.gate(record),
        "approvals": lambda: judged.approvals(control, model, record.version),
        "rollout": lambda: judged.rollouts(control, model, record.version),
        "monitoring": lambda: since.monitoring(ledger, control, model, record),
        "cost": lambda: services.cost(record).to_json(),
        "files": lambda: files.listed(ledger, traced),
        "folders": lambda: files.folders(traced),
    }
    found, missing = _gathered(sections)
    return {
        "model": model,
        "version": record.version,
        "made_at": timestamp(),
        "made_by": made_by,
        **_profile(services, model),
        "record": _record(record),
        **found,
        "lineage": _lineage(traced),
        "audit": audit_part(control, services.storage, model, record.version, rollouts),
        "missing": missing,
    }


def _gathered(sections: Mapping[str, Section]) -> tuple[dict[str, Json], dict[str, str]]:
    """A section that cannot be made is no reason to be without the others: an auditor sees which one, and why."""
    found: dict[str, Json] = {}
    missing: dict[str, str] = {}
    for name, make in sections.items():
        try:
            found[name] = make()
        except (SlipstreamError, FileNotFoundError) as error:
            missing[name] = one_line(error)
    return found, missing


def _profile(services: Installation, model: str) -> dict[str, Json]:
    """Of the spec as it is now; without one it is not known."""
    try:
        spec = services.spec(model)
    except SlipstreamError:
        return {}
    return {"profile": spec.profile, "profile_exceptions": dict(spec.profile_exceptions)}


def _record(record: VersionRecord) -> dict[str, Json]:
    return {
        name: value for name, value in record.to_json().items() if name not in ("gate", "override")
    }  # they have a section of their own


def _lineage(traced: Trace) -> dict[str, Json]:
    broken = [node for node in traced.root.walk() if node.broken and not any(each.broken for each in node.children)]
    problems = {
        node.uri or node.digest: {"name": node.role, "state": str(node.state), "path": node.uri, "digest": node.digest}
        for node in broken
    }
    return {"intact": traced.intact, "counts": dict(traced.counts), "problems": [*problems.values()]}
