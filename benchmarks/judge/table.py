"""Rows of the judge's bench: rates beside their goals."""

from __future__ import annotations

from benchmarks.table import Table
from include.rollout.confidence_bounds import upper


class RateTable(Table):
    """A table of rates over simulated stages."""

    def at_most(self, name: str, hits: int, stages: int, goal: float, limit: float | None = None) -> None:
        """A rate that must not exceed its goal; with `limit`, its upper 95 percent bound must be under that."""
        rate, bound = hits / stages, upper(hits, stages, 0.05)
        good = rate <= goal and (limit is None or bound < limit)
        held = f"<= {goal:g}" + ("" if limit is None else f", bound < {limit:g}")
        self.line(name, f"{rate:.4f}  (95 % bound {bound:.4f})", held, good)

    def at_least(self, name: str, rate: float, goal: float, note: str = "") -> None:
        self.line(name, f"{rate:.4f}  {note}", f">= {goal:g}", rate >= goal)

    def under(self, name: str, value: float, goal: float, note: str = "") -> None:
        self.line(name, f"{value:.4f}  {note}", f"<= {goal:g}", value <= goal)
