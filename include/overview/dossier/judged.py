"""How a version was judged: its evaluation, its gate, the people who were asked, its rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.control import ControlStore
from include.core.digest import canonical_json, digest_bytes
from include.core.ledger import Ledger
from include.core.request import Json
from include.rollout.approvals import approvals_of
from include.rollout.history import Rollout, events, list_rollouts
from include.versions.record import VersionRecord
from include.versions.shown import override_of

LARGEST = 200_000  # bytes of an event's evidence; of what is larger the digest is kept


def evaluation(ledger: Ledger, record: VersionRecord) -> dict[str, Json]:
    """All that the evaluation says, with whatever checks the spec asked for: fairness, explanations, robustness, privacy."""
    result = ledger.resolve(record.entry.lineage.evaluation)
    told = {name: value for name, value in result.value.items() if name != "gate"}
    return {"key": result.key, "digest": record.entry.lineage.evaluation.digest, "committed_at": result.committed_at, **told}


def gate(record: VersionRecord) -> dict[str, Json]:
    override = override_of(record)
    return {
        "passed": record.entry.gate.passed,
        "reasons": list(record.entry.gate.reasons),
        "opened_by_hand": override.to_json() if override else None,
    }


def approvals(control: ControlStore, model: str, version: int) -> list[dict[str, Json]]:
    """Who was asked on which terms, and who said what, when, and having seen what."""
    return approvals_of(control, model, version)


def rollout_ids(control: ControlStore, model: str, version: int) -> list[str]:
    return [each.id for each in _rollouts(control, model, version)]


def rollouts(control: ControlStore, model: str, version: int) -> list[dict[str, Json]]:
    """Each rollout of the version: how it ended, and its events with their evidence."""
    return [
        {
            "name": each.id,
            "state": each.state,
            "stage": each.stage,
            "champion": each.champion,
            "reason": each.reason,
            "events": [_event(event) for event in events(control, each.id)],
        }
        for each in _rollouts(control, model, version)
    ]


def _rollouts(control: ControlStore, model: str, version: int) -> list[Rollout]:
    return [each for each in list_rollouts(control, model) if each.challenger == version]


def _event(event: Mapping[str, Any]) -> dict[str, Json]:
    evidence = canonical_json(event["evidence"])
    if len(evidence) <= LARGEST:
        return {**event}
    short = {name: event["evidence"][name] for name in ("answer", "reasons") if name in event["evidence"]}
    return {**event, "evidence": {**short, "digest": digest_bytes(evidence), "bytes": len(evidence)}}
