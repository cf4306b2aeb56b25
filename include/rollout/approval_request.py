"""What persons are shown when they are asked: the version, its metrics beside the champion's, its gate, what was seen so far.

It is what the control store knows: small, and the same wherever it is shown. The evaluation's report and the rollout's evidence
are linked from the pages that show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_events
from include.core.markdown import code, plain
from include.rollout.approval_gate import Standing
from include.rollout.history import rollout_in
from include.versions.override import overrides_in
from include.versions.queries import record_in

NO_PERSON = "no person: a clock or an event started it"
UNKNOWN = "not known: by an event from outside, by another DAG, or under an earlier release"
MOST = 40  # metrics that are shown


def request(control: ControlStore, standing: Standing) -> dict[str, Any]:
    """What there is to see, as JSON: the approval's standing, and {"semver", "as_of", "gate", "override", "metrics", "evidence"}.

    `metrics` has of each name the version's value and the champion's (None without one), `evidence` of each stage that was
    decided its answer and its reasons.
    """
    model, rollout = standing.rollout.model, standing.rollout
    with control.transaction() as connection:
        record = record_in(connection, model, rollout.challenger)
        other = record_in(connection, model, rollout.champion) if rollout.champion is not None else {}
        override = overrides_in(connection, model).get(rollout.challenger)
        stages = [stage.name for stage in rollout_in(connection, rollout.id).stages]
        decided = _decided(connection, rollout.id)
    metrics, champion = record.get("metrics") or {}, other.get("metrics") or {}
    return {
        **standing.to_json(),
        "semver": record.get("semver", ""),
        "as_of": record.get("as_of", ""),
        "gate": record.get("gate") or {"passed": True, "reasons": []},
        "override": override.words if override is not None else "",
        "metrics": {name: {"version": value, "champion": champion.get(name)} for name, value in sorted(metrics.items())},
        "evidence": [decided[name] for name in stages if name in decided],
    }


def markdown(shown: Mapping[str, Any], page: str = "") -> str:
    """The request in words, for a page that draws Markdown. `page`: where there is more."""
    return "\n".join(_lines(shown, page))


def trained_by(shown: Mapping[str, Any]) -> str:
    """Who triggered the training, in words."""
    by = shown["trained_by"]
    return UNKNOWN if by is None else (by or NO_PERSON)


def _lines(shown: Mapping[str, Any], page: str) -> Iterator[str]:
    champion = f"version {shown['champion']}" if shown["champion"] is not None else "nobody: it is the first version"
    yield f"**{plain(shown['model'])} version {shown['version']}** ({plain(shown['semver'])}) {plain(shown['words'])}."
    yield ""
    yield f"- answers now: {champion}"
    yield f"- data until: {plain(shown['as_of']) or 'unknown'}"
    yield f"- training triggered by: {plain(trained_by(shown))}; never one of those who approve"
    yield f"- gate: {_gate(shown)}"
    yield f"- what you approve: {code(shown['seen'][:12])}; a version that is evaluated again is another"
    if page:
        yield f"- evidence against its boundaries: <{page}>"
    for doubt in shown["doubts"]:
        since = f"since {plain(doubt['at'][:16])} UTC the judge would not let it pass {plain(doubt['stage'])}"
        yield f"- **{since}**: {plain(doubt['words'])}"
    yield "- while you think the judge looks on: where the evidence turns against it, it is rolled back at once"
    yield from _metrics(shown)
    yield from _evidence(shown)


def _gate(shown: Mapping[str, Any]) -> str:
    if shown["override"]:
        return f"closed, and {plain(shown['override'])}"
    if shown["gate"]["passed"]:
        return "open"
    return f"closed: {plain('; '.join(map(str, shown['gate'].get('reasons', ()))))}"


def _metrics(shown: Mapping[str, Any]) -> Iterator[str]:
    if not shown["metrics"]:
        return
    yield from ("", "| metric | this version | champion |", "|---|---|---|")
    for name, pair in list(shown["metrics"].items())[:MOST]:
        yield f"| {plain(name)} | {_number(pair['version'])} | {_number(pair['champion'])} |"


def _evidence(shown: Mapping[str, Any]) -> Iterator[str]:
    if shown["evidence"]:
        yield from ("", "| stage | verdict | why |", "|---|---|---|")
    for stage in shown["evidence"]:
        yield f"| {plain(stage['stage'])} | {plain(stage['answer'])} | {plain('; '.join(stage['reasons']))} |"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def _decided(connection: sa.Connection, rollout_id: str) -> dict[str, dict[str, Any]]:
    mine = sa.and_(rollout_events.c.rollout == rollout_id, rollout_events.c.event == "verdict")
    rows = connection.execute(sa.select(rollout_events.c.stage, rollout_events.c.evidence, rollout_events.c.at).where(mine))
    return {
        row.stage: {
            "stage": row.stage,
            "answer": row.evidence["answer"],
            "reasons": [str(reason) for reason in row.evidence.get("reasons", ())],
            "at": row.at,
        }
        for row in rows
    }
