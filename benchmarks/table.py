"""A bench's table: what was measured, beside its goal."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass
class Table:
    """Prints rows as they come and remembers the goals that were missed."""

    missed: list[str] = field(default_factory=list)

    def head(self, title: str) -> None:
        load = os.getloadavg()[0]
        print(f"\n{title} (load {load:.1f} on {os.cpu_count()} cores)")

    def say(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def row(self, name: str, measured: float, unit: str, *, least: float | None = None, most: float | None = None) -> None:
        """A figure with its goal: at least, at most, or none."""
        goal = f"at least {least:g}" if least is not None else f"at most {most:g}" if most is not None else ""
        bad = (least is not None and measured < least) or (most is not None and measured > most)
        print(f"  {name:58}{measured:12.3f} {unit:8}{goal:18}{'MISSED' if bad else 'met' if goal else ''}", flush=True)
        if bad:
            self.missed.append(name)
