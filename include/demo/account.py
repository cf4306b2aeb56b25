"""The account at the end: what happened when, the versions, the time each phase took, where to look."""

from __future__ import annotations

import html
from pathlib import Path

from include.demo.journal import BUDGET, Journal
from include.demo.story import Story
from include.governance import versions
from include.local.platform import Platform

Table = list[list[str]]

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2530}
table{border-collapse:collapse;margin:.5rem 0 2rem;width:100%}td,th{padding:.35rem .7rem;text-align:left;vertical-align:top}
th{border-bottom:2px solid #1c2530}td{border-bottom:1px solid #dde3ea}h1{font-size:1.6rem}h2{font-size:1.15rem}
.ok{color:#0a7a3d}.bad{color:#b3261e}td:first-child{white-space:nowrap}
"""


def write_account(journal: Journal, platform: Platform, story: Story | None, problem: str, path: Path) -> str:
    """Write the page, and return the same as text."""
    sections = {
        "What happened": [["when (2013)", "what"], *([event["when"], event["what"]] for event in journal.events)],
        "Versions": _versions(story),
        "Requests": _requests(journal),
        "Time": _times(journal),
        "Where to look": _addresses(platform, path),
    }
    verdict = f"FAILED: {problem}" if problem else "Everything happened as it should."
    path.write_text(_page(verdict, not problem, sections))
    return "\n\n".join([_text(title, table) for title, table in sections.items()] + [verdict])


def _versions(story: Story | None) -> Table:
    rows = [["version", "semver", "stage", "as of", "AUC", "gradient boosting", "carrier's rate", "gate"]]
    records = versions.records(story.control, story.spec.name) if story else []
    for record in records:
        entry = record.entry
        baselines = story.ledger.resolve(entry.lineage.evaluation).value["baselines"] if story else {}
        numbers = [entry.metrics.get("auc"), _auc(baselines, "boosted"), _auc(baselines, "historical_rate")]
        shown = ["" if number is None or entry.origin == "derived" else f"{number:.3f}" for number in numbers]
        gate = "not evaluated (derived)" if entry.origin == "derived" else "open" if entry.gate.passed else "closed"
        rows.append([str(record.version), record.semver, str(record.stage), entry.as_of[:10], *shown, gate])
    return rows


def _auc(baselines: dict[str, dict[str, float]], name: str) -> float | None:
    found = baselines.get(name) or {}
    return found.get("auc")


def _requests(journal: Journal) -> Table:
    facts = journal.facts
    return [["answered", "failed", "degraded"], [str(facts.get(name, 0)) for name in ("requests", "failed", "degraded")]]


def _times(journal: Journal) -> Table:
    rows = [["phase", "took (s)", "budget (s)", ""]]
    for name, budget in BUDGET.items():
        took = journal.seconds.get(name)
        note = "" if took is None or took <= budget else "over budget"
        rows.append([name, "" if took is None else f"{took:.0f}", str(budget), note])
    total = sum(journal.seconds.get(name, 0.0) for name in BUDGET)
    return [*rows, ["all", f"{total:.0f}", str(sum(BUDGET.values())), ""]]


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


def _text(title: str, table: Table) -> str:
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return f"{title}\n" + "\n".join(lines)


def _page(verdict: str, good: bool, sections: dict[str, Table]) -> str:
    body = "".join(f"<h2>{html.escape(title)}</h2>{_table(table)}" for title, table in sections.items())
    tone = "ok" if good else "bad"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Slipstream: the demonstration</title><style>{STYLE}</style>"
        f"<h1>Slipstream: the loop on the flights of 2013</h1><p class={tone}>{html.escape(verdict)}</p>{body}</html>"
    )


def _table(table: Table) -> str:
    head, *rows = table
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{lines}</table>"
