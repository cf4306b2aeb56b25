"""What runs found: counted by cell, printed, kept as JSON, merged row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.chaos.protocol import FAULTS, Absent, Step
from tests.chaos.report import Report


@dataclass
class Tally:
    trials: int = 0
    lost: int = 0  # trials in which something was lost
    doubled: int = 0
    unclear: int = 0
    idle: int = 0  # trials in which the fault did not happen
    of: str = ""  # the commit and the day of the run

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.unclear or self.idle)


@dataclass
class Record:
    """Rows by step name, tallies by fault; reasons where a cell does not apply."""

    rows: dict[str, dict[str, Tally]] = field(default_factory=dict)
    absent: dict[str, dict[str, str]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    promises: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, reports: Iterable[Report], steps: Mapping[str, Step], run: str = "") -> Self:
        """`run`: the commit and the day of it, which the cells keep."""
        record = cls()
        for report in reports:
            tally = record.rows.setdefault(report.step, {}).setdefault(report.fault, Tally(of=run))
            tally.trials += 1
            tally.lost += report.count("lost") > 0
            tally.doubled += report.count("doubled") > 0
            tally.unclear += report.count("unclear") > 0
            tally.idle += not report.fired
        for name, step in steps.items():
            record.titles[name], record.promises[name] = step.title, step.promise
            record.absent[name] = {fault: cell.reason for fault, cell in step.cells.items() if isinstance(cell, Absent)}
        return record

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        rows = {name: {fault: Tally(**one) for fault, one in cells.items()} for name, cells in body.get("rows", {}).items()}
        return cls(**{**body, "rows": rows})

    def take(self, newer: Record) -> None:
        """Its cells replace those of the same name."""
        for name, cells in newer.rows.items():
            self.rows.setdefault(name, {}).update(cells)
        self.absent |= newer.absent
        self.titles |= newer.titles
        self.promises |= newer.promises

    @property
    def tallies(self) -> list[Tally]:
        return [tally for cells in self.rows.values() for tally in cells.values()]

    @property
    def trials(self) -> int:
        return sum(tally.trials for tally in self.tallies)

    def runs(self, name: str) -> list[str]:
        """The commits and days that a row's cells are of."""
        return sorted({tally.of for tally in self.rows.get(name, {}).values()})

    def missing(self, steps: Iterable[str]) -> list[str]:
        """Cells that should have been run and were not."""
        return [
            f"{name} {fault}"
            for name in steps
            for fault in FAULTS
            if fault not in self.rows.get(name, {}) and fault not in self.absent.get(name, {})
        ]


@dataclass
class Book:
    """All that the page is written from. `sections`: Markdown by name, from whoever measures something beside this."""

    ours: Record = field(default_factory=Record)
    stock: Record = field(default_factory=Record)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)  # {"what", "trials", "lost", "doubled"} by name
    sections: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        if not path.exists():
            return cls()
        body = json.loads(path.read_text())
        return cls(**{**body, "ours": Record.from_json(body["ours"]), "stock": Record.from_json(body["stock"])})

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def cell_text(tally: Tally | None, absent: bool) -> str:
    """`10: 0/0` is ten trials, none lost, none doubled."""
    if tally is None:
        return "–" if absent else "not run"
    text = f"{tally.trials}: {tally.lost}/{tally.doubled}"
    return text + (f" unclear {tally.unclear}" if tally.unclear else "") + (f" idle {tally.idle}" if tally.idle else "")


def print_matrix(record: Record, seconds: float) -> None:
    """trials: lost/doubled, a row a step."""
    width = max(20, *(len(title) for title in record.titles.values()))
    print(f"\n{'trials: lost/doubled':{width}} " + " ".join(f"{fault:>8}" for fault in FAULTS))
    for name, title in record.titles.items():
        cells = record.rows.get(name, {})
        texts = (cell_text(cells.get(fault), fault in record.absent[name]) for fault in FAULTS)
        print(f"{title:{width}} " + " ".join(f"{text:>8}" for text in texts))
    for name, reasons in record.absent.items():
        for fault, reason in reasons.items():
            print(f"  {record.titles[name]} {fault}: {reason}")
    sums = {name: sum(getattr(one, name) for one in record.tallies) for name in ("trials", "lost", "doubled", "unclear", "idle")}
    print("\n" + ", ".join(f"{count} {name}" for name, count in sums.items()) + f" in {seconds:.0f} s\n", flush=True)
