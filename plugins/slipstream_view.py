"""What the Models page shows of a model beyond the control store: its reports, its baselines, its weeks."""

from __future__ import annotations

from functools import lru_cache

from include.core.control import ControlStore
from include.core.errors import DataError, IntegrityError
from include.core.ledger import Ledger
from include.core.request import Json, Ref, Result
from include.core.spec import ModelSpec
from include.monitoring.retraining.decision import history
from include.monitoring.windows import windows as monitored
from include.overview.standing import Overview
from include.problems.of import of_spec
from include.ranges.status import latest
from include.rollout.plan import rollout_stages
from include.routing.gateways import Gateway, list_gateways
from include.versions.record import VersionRecord
from include.versions.shown import given_up

COLUMNS = 3  # of metrics, that a screen has room for
RANGES = 3  # of days, the newest


def model_view(ledger: Ledger, control: ControlStore, spec: ModelSpec | None, seen: Overview) -> dict[str, Json]:
    """The overview, with each version's report and baselines, the stages a rollout walks through, and who serves. Without a spec,
    for it cannot be loaded, it is what the stores know: what serves goes on, and may have to be rolled back."""
    shown = seen.to_json()
    shown["versions"] = [{**record.to_json(), **_evaluation(ledger, record)} for record in seen.versions]
    return {
        **shown,
        **(_of_spec(spec) if spec is not None else _of_stores(seen)),
        "ranges": [each.to_json() for each in latest(ledger.storage, seen.model, RANGES)],
        "gateways": [_gateway(each, seen.model, seen) for each in list_gateways(control)],
    }


def _of_spec(spec: ModelSpec) -> dict[str, Json]:
    return {
        "description": spec.description,
        "owner": spec.owner,
        "label": spec.label,
        "metric": spec.evaluation.metric,
        "metrics": metric_columns(spec),
        "stages": [stage.name for stage in rollout_stages(spec)],
    }


def _of_stores(seen: Overview) -> dict[str, Json]:
    """Which of its metrics the gate goes by only the spec says."""
    names = [name for record in seen.versions[:1] for name in record.entry.metrics][:COLUMNS]
    stages = dict.fromkeys(str(event["stage"]) for event in reversed(seen.events) if event["event"] == "entered")
    return {
        "description": "", "owner": "", "label": "", "metric": names[0] if names else "",
        "metrics": [{"name": name, "title": name.replace("_", " ")} for name in names], "stages": [*stages],
    }  # fmt: skip


def _gateway(known: Gateway, model: str, seen: Overview) -> dict[str, Json]:
    """How far a gateway follows the model's route. `refused`: why it cannot, version by version; empty where it can."""
    generation = seen.route.get("generation", 0)
    return {
        "name": known.name,
        "alive": known.alive,
        "heard": known.heard,
        "follows": bool(seen.route) and known.follows(model, generation),
        "refused": dict(known.refusal(model, generation) or {}),
    }


def metric_columns(spec: ModelSpec) -> list[dict[str, Json]]:
    """The metrics that the table of versions shows: the gate's, those that its kind of problem is told by, and calibration."""
    problem = of_spec(spec)
    names = dict.fromkeys((spec.evaluation.metric, *problem.headline, "ece"))
    shown: list[dict[str, Json]] = [
        {"name": name, "title": problem.metric(name).title} for name in names if name in problem.metrics
    ]
    return shown[:COLUMNS]


def windows(ledger: Ledger, control: ControlStore, spec: ModelSpec) -> list[dict[str, Json]]:
    """The monitored windows, oldest first: performance, drift against its limit, the decision, the report."""
    decided = {decision.key.rpartition(":")[2]: decision for decision in history(control, spec.name)}
    rows = []
    for each in monitored(control, ledger, spec.name, decided):
        decision = decided.get(each["window"])
        action = {"action": decision.action, "decision": decision.summary} if decision else {"action": "", "decision": ""}
        rows.append({**each, "report": f"files/{each['report']}" if each["report"] else "", **action})
    return rows


def report_link(result: Result, name: str = "report.html") -> str:
    """Relative to the page; empty if the result has no such file."""
    return f"files/{result.files[name].path}" if name in result.files else ""


def _evaluation(ledger: Ledger, record: VersionRecord) -> dict[str, Json]:
    reference = record.entry.lineage.evaluation
    if (gone := given_up(record)) is not None:
        return {"report": "", "baselines": gone.kept.get("evaluation", {}).get("baselines", {})}
    try:
        return _evaluated(ledger, reference)
    except (DataError, IntegrityError):  # the page is also for the day when the ledger is damaged
        return {"report": "", "baselines": {}}


@lru_cache(maxsize=256)
def _evaluated(ledger: Ledger, reference: Ref) -> dict[str, Json]:
    result = ledger.resolve(reference)
    return {"report": report_link(result), "baselines": result.value.get("baselines", {})}
