"""Rows of the bench's table: what was measured, beside its goal."""

from __future__ import annotations

from dataclasses import dataclass, field

from include.rollout.confidence_bounds import upper


@dataclass
class Table:
    """Prints each row as it comes; remembers whether a goal was missed."""

    missed: list[str] = field(default_factory=list)

    def head(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    def show(self, name: str, text: str) -> None:
        print(f"  {name:<72}{text}", flush=True)

    def at_most(self, name: str, hits: int, stages: int, goal: float, limit: float | None = None) -> None:
        """A rate that must not exceed its goal; with `limit`, its upper 95 percent bound must be under that."""
        rate, bound = hits / stages, upper(hits, stages, 0.05)
        good = rate <= goal and (limit is None or bound < limit)
        held = f"<= {goal:g}" + ("" if limit is None else f", bound < {limit:g}")
        self._row(name, f"{rate:.4f}  (95 % bound {bound:.4f})", held, good)

    def at_least(self, name: str, rate: float, goal: float, note: str = "") -> None:
        self._row(name, f"{rate:.4f}  {note}", f">= {goal:g}", rate >= goal)

    def under(self, name: str, value: float, goal: float, note: str = "") -> None:
        self._row(name, f"{value:.4f}  {note}", f"<= {goal:g}", value <= goal)

    def _row(self, name: str, value: str, goal: str, good: bool) -> None:
        print(f"  {name:<72}{value:<34}{goal:<24}{'ok' if good else 'MISSED'}", flush=True)
        if not good:
            self.missed.append(name)
