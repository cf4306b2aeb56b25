"""What is told of a trial, and kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.protocol import Finding


@dataclass
class Report:
    """What became of a trial."""

    step: str
    fault: str
    seed: int
    how: str = ""
    fired: bool = False
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)  # fail points

    def count(self, kind: str) -> int:
        return sum(finding.kind == kind for finding in self.findings)

    @property
    def good(self) -> bool:
        return self.fired and not self.findings

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Report:
        return cls(**{**value, "findings": [Finding(**finding) for finding in value["findings"]]})
