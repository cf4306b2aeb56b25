"""What a part of the benchmark says: a line a goal."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    name: str
    measured: str
    goal: str = ""
    met: bool | None = None  # None: told for comparison, no goal

    def __str__(self) -> str:
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        return f"{self.name:<62}{self.measured:>22}{self.goal:>14}  {verdict}".rstrip()


HEADING = f"{'':<62}{'measured':>22}{'goal':>14}"
