"""A bench's table: what was measured, beside its goal. The benches of the judge and of the features print through it too."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass
class Table:
    """Prints rows as they come and remembers the goals that were missed."""

    missed: list[str] = field(default_factory=list)

    def head(self, title: str) -> None:
        load = os.getloadavg()[0]
        print(f"\n{title} (load {load:.1f} on {os.cpu_count()} cores)", flush=True)

    def say(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def row(self, name: str, measured: float, unit: str, *, least: float | None = None, most: float | None = None) -> None:
        """A figure with its goal: at least, at most, or none."""
        figure = f"{measured:12.3f} {unit}"
        if least is not None:
            self.line(name, figure, f"at least {least:g}", measured >= least)
        elif most is not None:
            self.line(name, figure, f"at most {most:g}", measured <= most)
        else:
            self.line(name, figure)

    def line(self, name: str, measured: str, goal: str = "", met: bool | None = None) -> None:
        """As text; `met` is None where it is told for comparison, without a goal."""
        verdict = {None: "", True: "met", False: "MISSED"}[met]
        # A long text moves the next one, and never joins it.
        cells = f"{name} ".ljust(72) + f"{measured} ".ljust(34) + f"{goal} ".ljust(24)
        print(f"  {cells}{verdict}".rstrip(), flush=True)
        if met is False:
            self.missed.append(name)
