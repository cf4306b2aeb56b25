"""A rollout as a page: its stages, what was decided and why, and the evidence against its boundaries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from include.core.html import document, tag, tiles
from include.rollout.alpha_spending import SLICES, Ints
from include.rollout.approval_gate import names_in
from include.rollout.evidence import CHALLENGER, CHAMPION, Count, Evidence
from include.rollout.history import Rollout
from include.rollout.judge import absolute_limits, guard_limits
from include.rollout.judge_plan import JudgePlan
from include.rollout.stage_evaluation import recompute

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 420, 190, 44, 30, 16
JUDGED = ("verdict", "doubted", "withdrawn")  # events that hold a decision with its evidence
KINDS = {
    "promote": "good",
    "promoted": "good",
    "roll_back": "bad",
    "rolled_back": "bad",
    "approved": "good",
    "rejected": "bad",
    "asked": "warn",
    "overdue": "bad",
    "doubted": "warn",
    "withdrawn": "bad",
    "paused": "warn",
    "undriven": "warn",
    "alert": "warn",
}


def rollout_page(rollout: Rollout, events: Sequence[Mapping[str, Any]]) -> str:
    """One HTML page that opens offline."""
    title = f"{rollout.model}: rollout of version {rollout.challenger}"
    numbers = {
        "state": rollout.state.replace("_", " "),
        "stage": rollout.stage,
        "challenger": f"version {rollout.challenger}",
        "champion": f"version {rollout.champion}" if rollout.champion is not None else "none yet",
    }
    reason = f'<p class="banner bad"><span>{escape(rollout.reason)}</span></p>' if rollout.reason else ""
    decided = [event for event in events if event["event"] in JUDGED and "plan" in event["evidence"]]
    sections = "".join(_decision(str(event["stage"]), event["evidence"]) for event in decided)
    return document(title, f"<h1>{escape(title)}</h1>{tiles(numbers)}{reason}{sections}<h2>What happened</h2>{_log(events)}")


def charts(plan: JudgePlan, evidence: Evidence) -> str:
    """SVG: for each guard the events so far, and the count at which the stage rolls back."""
    if not evidence.complete:
        return '<p class="note">No slice of the stage was over: there is nothing to draw.</p>'
    if not plan.relative:
        _, erred, limits = absolute_limits(evidence, plan)
        whose = "entities whose first request met an error" if evidence.first_known else "entities that met an error"
        return _chart(whose, erred, limits, evidence.complete)
    drawn = []
    for guard in plan.guards:
        _, hits, limits = guard_limits(evidence, plan, guard)
        whose = "champion" if guard.fewer else "challenger"
        drawn.append(_chart(f"{guard.description}: the {whose}'s", hits, limits, evidence.complete))
    return f'<div style="display:flex;flex-wrap:wrap;gap:1rem">{"".join(drawn)}</div>'


def _decision(stage: str, stored: Mapping[str, Any]) -> str:
    plan, evidence = JudgePlan.from_json(stored["plan"]), Evidence.from_json(stored["evidence"])
    again = recompute(stored)
    same = again.answer == stored["answer"] and list(again.reasons) == list(stored["reasons"])
    checked = "computed again from its evidence: the same" if same else f"computed again from its evidence: {again.answer}"
    body = _row("champion", evidence.champion) + _row("challenger", evidence.challenger)
    head = '<tr><th></th><th class="n">requests</th><th class="n">entities</th><th class="n">with an error</th></tr>'
    answer = tag(str(stored["answer"]).replace("_", " "), KINDS.get(str(stored["answer"]), "dim"))
    words = escape("; ".join(map(str, stored["reasons"])))
    rule = f"alpha {plan.alpha:g}, margin {plan.margin:g}, accepted {plan.accepted:.1%}"
    rule += f", label margin {plan.label_margin:g}" if plan.label_margin is not None else ""
    note = f'<p class="note">{rule}; {escape(checked)}.</p>'
    tables = f"<table>{head}{body}</table>{_by_labels(plan, evidence)}"
    return f"<h2>{escape(stage)} {answer}</h2><p>{words}</p>{tables}{note}{charts(plan, evidence)}"


def _by_labels(plan: JudgePlan, evidence: Evidence) -> str:
    """A table of the entities with a label, and of how many of them met each event; empty where none was judged by labels."""
    guards = [guard for guard in plan.guards if guard.stream in evidence.slices and guard.of_labels]
    if not guards or not plan.relative:
        return ""
    names = "".join(f'<th class="n">{escape(guard.description)}</th>' for guard in guards)
    rows = []
    for arm, name in ((CHAMPION, "champion"), (CHALLENGER, "challenger")):
        counts = [int(evidence.arms(guard.stream, evidence.complete + 1)[arm].sum()) for guard in guards]
        rows.append(_numbers(name, counts))
    return f"<table><tr><th>entities that met, by their labels</th>{names}</tr>{''.join(rows)}</table>"


def _row(name: str, count: Count) -> str:
    return _numbers(name, (count.requests, count.entities, count.errors))


def _numbers(name: str, numbers: Sequence[int]) -> str:
    cells = "".join(f'<td class="n">{number:,}</td>' for number in numbers)
    return f"<tr><td>{name}</td>{cells}</tr>"


def _chart(title: str, hits: Ints, limits: Ints, slices: int) -> str:
    """Two step lines over the share of the plan: what was seen, and the boundary where it can be reached."""
    reachable = [int(limit) for limit in limits if limit <= 4 * max(int(hits.max()), 4)]
    top = max([int(hits.max()), *reachable, 1]) * 1.1
    span = max(slices, SLICES)

    def place(slot: int, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - 8) * slot / span
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(value, top) / top
        return f"{x:.1f} {y:.1f}"

    seen = _steps(hits, place)
    wall = _steps([min(int(limit), round(top)) for limit in limits], place)
    axis = f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - 8}"
    end = place(SLICES, 0).split()[0]
    ticks = f'<text x="{end}" y="{HEIGHT - 12}" text-anchor="middle">1</text>' if span > SLICES else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(title)}">'
        f'<text x="{LEFT}" y="11">{escape(title)}</text><path d="{axis}" fill="none" stroke="var(--line)"/>'
        f'<path d="{wall}" fill="none" stroke="var(--bad)" stroke-dasharray="4 3"/>'
        f'<path d="{seen}" fill="none" stroke="var(--accent)" stroke-width="2"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 6}" text-anchor="end">{top:.0f}</text>{ticks}'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 12}" text-anchor="end">share of the plan</text></svg>'
    )


def _steps(values: Iterable[int], place: Callable[[int, float], str]) -> str:
    path, last = [f"M{place(0, 0)}"], None
    for slot, value in enumerate(values):
        if value != last:
            path.append(f"L{place(slot, value if last is None else last)}L{place(slot, value)}")
        last = value
    return "".join(path) + f"L{place(slot + 1, last or 0)}"


def _log(events: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for event in events:
        evidence = event["evidence"]
        answer = evidence.get("answer", "")
        words = "; ".join(map(str, evidence.get("reasons", ()))) or str(evidence.get("reason", ""))
        words = ": ".join(filter(None, (", ".join(names_in(evidence)), words)))
        kind = tag(str(event["event"]).replace("_", " "), KINDS.get(str(answer or event["event"]), "dim"))
        rows.append(
            f'<tr><td class="d">{escape(str(event["at"])[:19])}</td><td>{escape(str(event["stage"]))}</td><td>{kind}</td>'
            f"<td>{escape(str(answer))} {escape(words)}</td></tr>"
        )
    return f"<table><tr><th>at (UTC)</th><th>stage</th><th>event</th><th>what</th></tr>{''.join(rows)}</table>"
