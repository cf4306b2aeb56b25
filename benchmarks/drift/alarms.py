"""False alarms and power, of ours and of the usual rules, on the same windows. A reference of its own for each check."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import beta

from benchmarks.drift.peers import Rules, rules
from benchmarks.drift.world import World, law_of, rare_rows, rows
from include.core.spec import Feature
from include.monitoring.drift.drift import judge
from include.monitoring.profile.binning import axes
from include.monitoring.profile.profiles import profile
from include.monitoring.reference import Reference

SHIFTED = 3
PEERS = ("ks", "ks_bh", "psi", "evidently_any", "evidently")
PARTS = 4  # a cell's repetitions are shared out among processes


@dataclass(frozen=True)
class Cell:
    """`repeats` checks of one world. `goal`: the most alarms without a shift, the least with one; None: only shown."""

    world: World
    shift: float
    repeats: int
    goal: float | None
    through_rows: bool = False

    @property
    def name(self) -> str:
        w = self.world
        what = f"power at {self.shift:g} sd in {SHIFTED}" if self.shift else "false alarms"
        more = f", {w.past} past windows" if w.past != 13 else ""
        more += f", odd windows (t of {w.tails})" if w.tails else ""
        more += f", {w.rare} columns mostly 0" if w.rare else ""
        return f"{what}: {w.rows:,} rows x {w.columns}, wobble {w.wobble:g}{more}{', from rows' if self.through_rows else ''}"


@dataclass(frozen=True)
class Measured:
    """Share of checks that alarmed: ours, and each peer's; the one-sided 95 percent limit of ours."""

    cell: Cell
    ours: float
    limit: float
    peers: dict[str, float]

    @property
    def met(self) -> bool:
        goal = self.cell.goal
        return goal is None or (self.ours >= goal if self.cell.shift else self.ours <= goal)


def cells() -> Iterator[Cell]:
    """Of the goals: iid windows, wobbling ones, power. Then what has no goal of its own."""
    for wobble, goal in ((0.0, 0.05), (0.1, 0.10)):
        for rows_, columns in ((200, 5), (200, 20), (1000, 20), (10_000, 20), (100_000, 5), (100_000, 20)):
            yield Cell(World(rows_, columns, wobble), 0.0, 300, goal)
        for rows_ in (200, 1000, 100_000):
            yield Cell(World(rows_, 200, wobble), 0.0, 60, goal)
    for tails in (3, 2):
        for columns in (5, 20):
            yield Cell(World(1000, columns, 0.1, tails=tails), 0.0, 300, 0.10)
    yield Cell(World(1000, 20, 0.05), 0.0, 100, 0.05, through_rows=True)
    for rows_ in (200, 500):
        yield Cell(World(rows_, 10, 0.0, rare=5), 0.0, 300, 0.05, through_rows=True)
    yield Cell(World(1000, 10, 0.05, rare=5), 0.3, 100, 0.9, through_rows=True)
    for rows_ in (1000, 10_000, 100_000):
        yield Cell(World(rows_, 20, 0.05), 0.3, 200, 0.9)
    yield Cell(World(1000, 20, 0.05), 0.3, 100, 0.9, through_rows=True)
    for rows_ in (200, 500):
        yield Cell(World(rows_, 20, 0.05), 0.3, 200, None)
    for past in (2, 4, 8, 26):
        yield Cell(World(1000, 20, 0.05, past), 0.0, 100, 0.10)
        yield Cell(World(1000, 20, 0.05, past), 0.3, 100, None)


def measure(cell: Cell, pool: ProcessPoolExecutor) -> Measured:
    each = -(-cell.repeats // PARTS)
    found = [check for part in pool.map(_checks, [cell] * PARTS, [each] * PARTS, range(PARTS)) for check in part]
    ours, n = sum(alarm for alarm, _ in found), len(found)
    peers = {name: sum(getattr(rule, name) for _, rule in found) / n for name in PEERS}
    limit = beta.ppf(0.95, ours + 1, n - ours) if ours < n else 1.0
    return Measured(cell, ours / n, float(limit), peers)


def _checks(cell: Cell, repeats: int, seed: int) -> list[tuple[bool, Rules]]:
    world = cell.world
    odd = [world.tails] if world.tails else []
    rng = np.random.default_rng([seed, world.rows, world.columns, world.past, int(100 * cell.shift), *odd])
    check = _from_rows if cell.through_rows else _from_counts
    return [check(cell, rng) for _ in range(repeats)]


def _shifts(cell: Cell) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.where(np.arange(cell.world.columns) < SHIFTED, cell.shift, 0.0)


def _from_counts(cell: Cell, rng: np.random.Generator) -> tuple[bool, Rules]:
    world, still = cell.world, np.zeros(cell.world.columns)
    past = [world.draw(rng, still) for _ in range(world.past)]
    now = world.draw(rng, _shifts(cell))
    verdict = judge(world.profile(now), world.rows, world.reference(past), minimum_rows=1, set_aside={})
    return verdict.verdict == "drift", rules(now, past[-1])


def _from_rows(cell: Cell, rng: np.random.Generator) -> tuple[bool, Rules]:
    """Rows, as Arrow tables; the axes laid down by them; profiles; the test. Nothing of the simulation's own counting."""
    world = cell.world
    tables = [_table(world, rng, np.zeros(world.columns)) for _ in range(world.past)]
    now = _table(world, rng, _shifts(cell))
    features = [Feature(name=name) for name in now.column_names]
    found = axes(features, pa.concat_tables(tables))
    past = {str(n): profile(table, found) for n, table in enumerate(tables)}
    verdict = judge(profile(now, found), world.rows, Reference(tuple(found), past), minimum_rows=1, set_aside={})
    return verdict.verdict == "drift", rules(_counted(now, world), _counted(tables[-1], world))


def _table(world: World, rng: np.random.Generator, shifts: np.ndarray[tuple[int], np.dtype[np.float64]]) -> pa.Table:
    moved = shifts + world.wobble * rng.normal(size=world.columns)
    often = world.columns - world.rare
    columns = [rows(law_of(n), rng, moved[n], world.rows) for n in range(often)]
    columns += [rare_rows(rng, world.rows) for _ in range(world.rare)]
    return pa.table({f"c{n}": values for n, values in enumerate(columns)})


def _counted(table: pa.Table, world: World) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    found = profile(table, world.axes)
    return np.stack([np.asarray(found[axis.name].cells) for axis in world.axes])  # its axes are numeric: they have cells


def show(found: Measured) -> str:
    goal = "" if found.cell.goal is None else f"{'>=' if found.cell.shift else '<='} {found.cell.goal:.2f}"
    peers = "".join(f"{found.peers[name]:9.2f}" for name in PEERS)
    missed = "" if found.met else "  missed"
    return f"{found.cell.name:66}{goal:>8}{found.ours:8.3f}{found.limit:8.3f}{peers}{missed}"


HEAD = (
    "share of checks that alarmed", "goal", "this test", "at most, 95 %", "KS", "KS + BH", "PSI > .2", "Evidently, any column",
    "Evidently, data set",
)  # fmt: skip


def row(found: Measured) -> list[object]:
    """Of the page."""
    goal = "" if found.cell.goal is None else f"{'>=' if found.cell.shift else '<='} {found.cell.goal:g}"
    return [found.cell.name, goal, found.ours, found.limit, *(found.peers[name] for name in PEERS)]


def head() -> str:
    names = ("KS", "KS+BH", "PSI>.2", "Ev any", "Ev set")
    return f"{'':66}{'goal':>8}{'ours':>8}{'95% <':>8}" + "".join(f"{name:>9}" for name in names)
