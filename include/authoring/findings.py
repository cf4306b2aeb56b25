"""What a check of a model's folder says: one line each, and an error's four parts where it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from include.core.author import as_slipstream_error
from include.core.errors import SlipstreamError, shown
from include.core.request import Json

Status = Literal["ok", "failed", "skipped"]
Value = TypeVar("Value")


class Inconclusive(Exception):
    """A check cannot show whether the model is right: why, in a sentence."""


@dataclass
class Finding:
    """One check of one model. `detail`: what was seen, or why it was skipped."""

    check: str
    status: Status = "ok"
    detail: str = ""
    seconds: float = 0.0
    error: SlipstreamError | None = None

    def say(self, detail: str) -> None:
        """What was seen."""
        self.detail = detail

    def skip(self, why: str) -> None:
        self.status, self.detail = "skipped", why

    def fail(self, error: SlipstreamError) -> None:
        self.status, self.detail, self.error = "failed", error.what, error

    def to_json(self) -> dict[str, Json]:
        error: Json = None
        if self.error is not None:
            seen = None if self.error.seen is None else shown(self.error.seen)
            error = {"what": self.error.what, "seen": seen, "safe": self.error.safe, "next": self.error.hint}
        body: dict[str, Json] = {"check": self.check, "status": self.status, "detail": self.detail}
        return {**body, "seconds": round(self.seconds, 2), "error": error}


@dataclass
class Report:
    """All checks of one model, in their order."""

    model: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not any(finding.status == "failed" for finding in self.findings)

    def status(self, check: str) -> Status | None:
        """How a check ended; None where it has not run."""
        return next((finding.status for finding in self.findings if finding.check == check), None)

    def run(self, check: str, body: Callable[[Finding], Value], *needs: str) -> Value | None:
        """One check, which `body` makes and notes down in its finding; what it raises makes it a failed one.

        It is skipped unless those it needs are ok. Returns what `body` returned; None where the check failed or was skipped.
        """
        finding, started = Finding(check), time.monotonic()
        self.findings.append(finding)
        missing = [name for name in needs if self.status(name) != "ok"]
        if missing:
            finding.skip(f"it needs the check {missing[0]!r} to be ok.")
            return None
        try:
            return body(finding)
        except Inconclusive as why:
            finding.skip(str(why))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of an author's code: any class, any text
            finding.fail(as_slipstream_error(error))
        finally:
            finding.seconds = time.monotonic() - started
        return None

    def to_json(self) -> dict[str, Json]:
        return {"model": self.model, "passed": self.passed, "checks": [finding.to_json() for finding in self.findings]}

    def lines(self) -> Iterator[str]:
        """For people: a line a check, and below a failed one what was seen, what is safe, what to do next."""
        yield f"{self.model}: {'nothing is wrong' if self.passed else 'something is wrong'}"
        for finding in self.findings:
            first, *others = finding.detail.splitlines() or [""]
            yield f"  {finding.status:<8}{finding.check:<14}{first}"
            more = [] if finding.error is None else finding.error.lines()[1:]
            yield from (f"{'':24}{line}" for line in (*others, *more))
