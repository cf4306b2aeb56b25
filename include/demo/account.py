"""The account at the end: what happened when, the versions, the time each phase took, where to look."""

from __future__ import annotations

import html
import re
from datetime import date
from pathlib import Path
from textwrap import indent

from include.core.html import document, tiles
from include.core.table import table
from include.demo.journal import Journal
from include.demo.next_steps import next_steps
from include.demo.plan import Plan
from include.demo.story import Story
from include.demo.weeks import monitored, picture
from include.local.platform import Platform
from include.monitoring.retraining import decision
from include.versions import queries as versions

Table = list[list[str]]

LINKED = re.compile(r"http://[\w.:]+$")
DAY = re.compile(r"\d{4}-\d\d-\d\d$")
NUMBERS = re.compile(r"-?[\d,]+(\.\d+)?$")


def write_account(journal: Journal, plan: Plan, platform: Platform, story: Story | None, problem: str, path: Path) -> str:
    """Write the page, and return the same as text."""
    sections = {
        "What happened": [["clock (UTC)", "day of 2013", "what"], *_events(journal)],
        "Versions": _versions(story),
        "Requests": _requests(journal),
        "Time": _times(journal, plan),
        "Where to look": _addresses(platform, path),
    }
    if not problem:
        sections["Try next"] = _next(journal, plan)
    verdict = f"FAILED: {problem}" if problem else "Everything happened as it should."
    path.write_text(_page(verdict, not problem, _tiles(journal, plan, story), _weeks(story), sections))
    told = [_text(title, section) for title, section in sections.items() if title != "Try next"]
    return "\n\n".join([*told, verdict, *_commands(sections.get("Try next", []))])


def _commands(steps: Table) -> list[str]:
    """Each on a line of its own, uncut, to be copied."""
    return ["Try next"] + [f"  {what}:\n    {command}" for what, command in steps[1:]] if steps else []


def _next(journal: Journal, plan: Plan) -> Table:
    replayed = date.fromisoformat(journal.facts.get("next_day", str(plan.as_of)))
    return [["what", "command"], *([what, command] for what, command in next_steps(replayed))]


def _events(journal: Journal) -> Table:
    """As it happened: a rollout's traffic may run ahead of the week that is monitored next, hence both clocks."""
    return [[event["at"][11:19], event["when"], event["what"]] for event in journal.events]


def _versions(story: Story | None) -> Table:
    rows = [["version", "semver", "stage", "as of", "AUC", "gradient boosting", "carrier's rate", "gate"]]
    records = versions.records(story.control, story.spec.name) if story else []
    for record in records:
        entry = record.entry
        baselines = story.ledger.resolve(entry.lineage.evaluation).value["baselines"] if story else {}
        numbers = [entry.metrics.get("auc"), _auc(baselines, "boosted"), _auc(baselines, "historical_rate")]
        shown = ["" if number is None or entry.origin == "derived" else f"{number:.3f}" for number in numbers]
        gate = "open" if entry.gate.passed else "closed"
        if entry.origin == "derived":
            gate = "not evaluated (derived)"
        rows.append([str(record.version), record.semver, str(record.stage), entry.as_of[:10], *shown, gate])
    return rows


def _auc(baselines: dict[str, dict[str, float]], name: str) -> float | None:
    found = baselines.get(name) or {}
    return found.get("auc")


def _requests(journal: Journal) -> Table:
    facts = journal.facts
    return [["answered", "failed", "degraded"], [str(facts.get(name, 0)) for name in ("requests", "failed", "degraded")]]


def _times(journal: Journal, plan: Plan) -> Table:
    rows = [["phase", "took (s)", "budget (s)", ""]]
    for name, budget in plan.budget.items():
        took = journal.seconds.get(name)
        rows.append([name, "" if took is None else f"{took:.0f}", str(budget), _over(took, budget)])
    total, allowed = sum(journal.seconds.get(name, 0.0) for name in plan.budget), sum(plan.budget.values())
    return [*rows, ["all", f"{total:.0f}", str(allowed), _over(total, allowed)]]


def _over(took: float | None, budget: float) -> str:
    return "" if took is None or took <= budget else "over budget"


def _addresses(platform: Platform, path: Path) -> Table:
    secrets = platform.home / "secrets"
    return [
        ["what", "address", "password"],
        ["Airflow", platform.url("airflow"), f"user admin: {secrets}/airflow_admin"],
        ["MLflow", platform.url("mlflow"), f"user admin: {secrets}/mlflow_admin"],
        ["Ray", platform.url("ray"), f"token: {secrets}/ray_token"],
        ["Gateway", platform.url("gateway"), "none for predictions on this machine"],
        ["This account", str(path), ""],
    ]


def _text(title: str, section: Table) -> str:
    head, *rows = section
    return f"{title}\n{indent(table(head, rows), '  ')}"


def _tiles(journal: Journal, plan: Plan, story: Story | None) -> dict[str, str]:
    facts = journal.facts
    made = len(versions.records(story.control, story.spec.name)) if story else 0
    minutes = sum(journal.seconds.get(name, 0.0) for name in plan.budget) / 60
    return {
        "requests answered": f"{facts.get('requests', 0):,}",
        "requests failed": f"{facts.get('failed', 0):,}",
        "versions registered": str(made),
        "minutes in all": f"{minutes:.1f}",
    }


def _weeks(story: Story | None) -> str:
    if story is None:
        return ""
    actions = {each.key.rpartition(":")[2]: each.action for each in decision.history(story.control, story.spec.name)}
    return f"<h2>Watched week by week</h2>{picture(monitored(story.ledger, story.spec.name, actions))}"


def _page(verdict: str, good: bool, numbers: dict[str, str], weeks: str, sections: dict[str, Table]) -> str:
    title = "Slipstream: the loop on the flights of 2013"
    banner = f"<div class='banner {'good' if good else 'bad'}'><strong>{html.escape(verdict)}</strong></div>"
    summary, *rest = (f"<h2>{html.escape(name)}</h2>{_table(section)}" for name, section in sections.items())
    return document(title, f"<h1>{title}</h1>{banner}{tiles(numbers)}{summary}{weeks}{''.join(rest)}")


def _table(section: Table) -> str:
    head, *rows = section
    numeric = [all(NUMBERS.match(row[n]) or not row[n] for row in rows) and any(row[n] for row in rows) for n in range(len(head))]
    lines = "".join(f"<tr>{''.join(map(_cell, row, numeric))}</tr>" for row in rows)
    cells = "".join(
        f"<th{' class=n' if right else ''}>{html.escape(cell)}</th>" for cell, right in zip(head, numeric, strict=True)
    )
    return f"<div class=scroll><table><tr>{cells}</tr>{lines}</table></div>"


def _cell(text: str, numeric: bool) -> str:
    shown = html.escape(text)
    if LINKED.match(text):
        shown = f'<a href="{shown}">{shown}</a>'
    if numeric:
        return f"<td class=n>{shown}</td>"
    return f"<td class=d>{shown}</td>" if DAY.match(text) else f"<td>{shown}</td>"
