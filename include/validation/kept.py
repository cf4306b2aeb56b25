"""What verdicts on partitions said, kept where a page can ask for a model's: one document of the control store a verdict.

Rules and counts, no value of any row. The verdict itself is in the ledger, where it is found by its key alone. Days that were
judged by an earlier release have no document; where they are published, their verdict is found through what is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.request import Result
from include.core.versioned import Format
from include.step_values.validation import CheckValue, SourceValue, ValidateValue

VERDICTS = DocumentKind("verdict", Format("what a verdict said"))
CHECKS, REASONS, TEXT = 20, 10, 300  # failed expectations and reasons of a source, and characters of each, that are kept


@dataclass(frozen=True)
class KeptVerdict:
    """`sources`: by name `rows`, `quarantined`, `passed`, `reasons` and the `failed` expectations, the worst first."""

    day: str
    at: str
    key: str
    generation: int
    passed: bool
    docs: str  # the path of its page; empty where it has none
    sources: Mapping[str, Mapping[str, Any]]

    @property
    def quarantined(self) -> int:
        return sum(int(each["quarantined"]) for each in self.sources.values())

    @property
    def rows(self) -> int:
        return sum(int(each["rows"]) for each in self.sources.values())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "sources": {name: dict(each) for name, each in self.sources.items()}}

    @classmethod
    def of(cls, result: Result) -> Self:
        value = result.read(ValidateValue)
        docs = result.files["docs.html"].path if "docs.html" in result.files else ""
        sources = {name: _source(each) for name, each in value.get("sources", {}).items()}
        return cls(str(value["day"]), result.committed_at, result.key, result.generation, bool(value["passed"]), docs, sources)


def keep(control: ControlStore, model: str, results: Iterable[Result]) -> int:
    """Once a result, all in one transaction. How many are new."""
    found = [KeptVerdict.of(result) for result in results]
    if not found:
        return 0
    with control.transaction() as connection:
        return sum(VERDICTS.save_in(connection, f"verdict/{each.key}/{each.generation}", model, each.to_json()) for each in found)


def newest_verdicts_in(connection: sa.Connection, model: str, most: int) -> list[KeptVerdict]:
    """Those that were given last, newest first."""
    return [_kept(found.body) for found in VERDICTS.newest_in(connection, model, most)]


def verdicts_on(control: ControlStore, model: str, days: Iterable[str]) -> dict[str, KeptVerdict]:
    """By day the verdict that was given last, of those days that have one."""
    found = [_kept(each.body) for each in VERDICTS.saying(control, model, "day", days)]
    return {each.day: each for each in sorted(found, key=lambda each: each.at)}


def _kept(body: Mapping[str, Any]) -> KeptVerdict:
    return KeptVerdict(**body)


def _source(value: SourceValue) -> dict[str, Any]:
    failed = sorted((each for each in value["checks"] if not each["success"]), key=lambda each: -each["unexpected"])
    reasons = [_without_values(reason, failed) for reason in value["reasons"][:REASONS]]
    return {
        "rows": value["rows"],
        "quarantined": value["quarantined"],
        "passed": value["passed"],
        "reasons": [reason[:TEXT] for reason in reasons],
        "failed": list(_failed(failed[:CHECKS])),
        "checks": len(value["checks"]),
    }


def _without_values(reason: str, failed: Sequence[CheckValue]) -> str:
    """A reason as the verdict words it, less what it saw: rows that are forgotten are to be nowhere but in their partitions."""
    for each in failed:
        if reason.startswith(f"{each['expectation']}: "):
            seen = f"{each['unexpected']} rows ({each['percent']:g} percent)" if each["unexpected"] else "it does not hold"
            return f"{each['expectation']}: {seen}"
    return reason


def _failed(checks: Iterable[CheckValue]) -> Iterator[dict[str, Any]]:
    for each in checks:
        told = {name: each[name] for name in ("column", "on_failure", "unexpected", "percent")}
        yield {"expectation": each["expectation"][:TEXT], **told}
