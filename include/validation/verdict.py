"""The verdict on a batch: what was checked, what was seen, and whether work may go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from include.core.errors import PermanentError, ValidationFailed
from include.core.json_types import Json
from include.row_rules.expectation import OnFailure, Suite
from include.step_values.validation import CheckValue, SourceValue, ValidateValue


@dataclass(frozen=True)
class Check:
    """One expectation's answer. `broken` is the exception inside it: then `success` says nothing."""

    expectation: str
    column: str
    on_failure: OnFailure
    success: bool
    judged: int = 0  # rows that the rule is about: those with a value, say
    unexpected: int = 0  # rows among them
    percent: float = 0.0  # of the rows
    sample: tuple[Json, ...] = ()  # at most five unexpected values
    observed: Json = None  # what a rule about the whole column saw
    broken: str = ""

    def seen(self) -> str:
        """What it saw, for a message."""
        if self.unexpected:
            return f"{self.unexpected} rows ({self.percent:g} percent), such as {list(self.sample)}"
        return f"{self.observed!r}"


@dataclass(frozen=True)
class SourceVerdict:
    """One source's checks. `reasons` is empty if it passed."""

    rows: int
    quarantined: int = 0
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, rows: int, quarantined: int, checks: Sequence[Check], suite: Suite) -> SourceVerdict:
        """Judge: a failed `stop` rule, or too large a share of the rows in quarantine, stops the batch."""
        reasons = [f"{c.expectation}: {c.seen()}" for c in checks if c.on_failure == "stop" and not c.success]
        share, limit = quarantined / max(rows, 1), suite.quarantine_limit
        if share > limit:
            reasons.append(f"{quarantined} of {rows} rows are in quarantine ({share:.1%}; the limit is {limit:.0%})")
        return cls(rows, quarantined, tuple(checks), tuple(reasons))


def verdict_value(day: str | None, sources: Mapping[str, SourceVerdict]) -> ValidateValue:
    """The JSON value a validation step commits."""
    body = {name: _source_value(source) for name, source in sources.items()}
    return {"passed": all(source["passed"] for source in body.values()), "day": day, "sources": body}


def _source_value(source: SourceVerdict) -> SourceValue:
    return {
        "passed": not source.reasons,
        "rows": source.rows,
        "quarantined": source.quarantined,
        "checks": [_check_value(check) for check in source.checks],
        "reasons": list(source.reasons),
    }


def _check_value(check: Check) -> CheckValue:
    return {
        "expectation": check.expectation,
        "column": check.column,
        "on_failure": check.on_failure,
        "success": check.success,
        "judged": check.judged,
        "unexpected": check.unexpected,
        "percent": check.percent,
        "sample": list(check.sample),
        "observed": check.observed,
        "broken": check.broken,
    }


def refuse_broken(what: str, checks: Sequence[Check]) -> None:
    """Raises PermanentError if a check could not be evaluated: that is neither bad data nor a pass."""
    broken = [check for check in checks if check.broken]
    if broken:
        raise PermanentError(
            f"{len(broken)} of {len(checks)} checks of {what} could not be evaluated. "
            f"{broken[0].expectation} raised {broken[0].broken}",
            seen=[check.expectation for check in broken],
            safe="nothing was judged, quarantined or published.",
            hint="correct the expectation in the model's expectations.py, then clear the task.",
        )


def raise_if_failed(value: ValidateValue, files: Mapping[str, str] | None = None) -> None:
    """Raises ValidationFailed if a committed verdict did not pass.

    :param files: where the verdict's files lie, `{"docs.html": uri, "quarantine-flights.parquet": uri}`
    """
    if value["passed"]:
        return
    files = files or {}
    failed = {name: source["reasons"] for name, source in value["sources"].items() if source["reasons"]}
    lines = [f"{name}: {reason}" for name, reasons in failed.items() for reason in reasons]
    held = [uri for name, uri in files.items() if name.removeprefix("quarantine-").removesuffix(".parquet") in failed]
    raise ValidationFailed(
        f"The data of {value['day'] or 'the training set'} failed validation: {'; '.join(lines)}.",
        safe="nothing was published; the verdict is in the ledger"
        + (f", the rejected rows in {', '.join(held)}" if held else "")
        + (f", the report at {files['docs.html']}." if "docs.html" in files else "."),
        hint="correct the data and land them again, or change the rule in the model's expectations.py; then clear the task.",
    )
