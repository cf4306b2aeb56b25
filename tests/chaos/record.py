"""What a run found: counted by cell, printed, kept as JSON, and merged with other runs of other rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.chaos.protocol import FAULTS, Absent, Step
from tests.chaos.trial import Report


@dataclass
class Tally:
    trials: int = 0
    lost: int = 0  # trials in which something was lost
    doubled: int = 0
    unclear: int = 0
    idle: int = 0  # trials in which the fault did not happen


@dataclass
class Record:
    """Rows by step name, tallies by fault; reasons where a cell does not apply."""

    rows: dict[str, dict[str, Tally]] = field(default_factory=dict)
    absent: dict[str, dict[str, str]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    promises: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(cls, reports: Iterable[Report], steps: Mapping[str, Step], seconds: float) -> Record:
        record = cls(seconds=round(seconds, 1))
        for report in reports:
            tally = record.rows.setdefault(report.step, {}).setdefault(report.fault, Tally())
            tally.trials += 1
            tally.lost += report.count("lost") > 0
            tally.doubled += report.count("doubled") > 0
            tally.unclear += report.count("unclear") > 0
            tally.idle += not report.fired
        for name, step in steps.items():
            record.titles[name], record.promises[name] = step.title, step.promise
            record.absent[name] = {fault: cell.reason for fault, cell in step.cells.items() if isinstance(cell, Absent)}
        return record

    def merge_into(self, path: Path) -> Record:
        """Keep it in a file: this run's cells replace older ones of the same name."""
        known = Record.read(path) if path.exists() else Record()
        for name, cells in self.rows.items():
            known.rows.setdefault(name, {}).update(cells)
        for mine, theirs in ((self.absent, known.absent), (self.titles, known.titles), (self.promises, known.promises)):
            theirs.update(mine)
        known.seconds += self.seconds
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(known), indent=1, sort_keys=True))
        return known

    @classmethod
    def read(cls, path: Path) -> Record:
        body = json.loads(path.read_text())
        body["rows"] = {name: {fault: Tally(**one) for fault, one in cells.items()} for name, cells in body["rows"].items()}
        return cls(**body)


def good(reports: Iterable[Report]) -> bool:
    return all(report.good for report in reports)


def cell_text(tally: Tally | None, absent: bool) -> str:
    """`10: 0/0` is ten trials, none lost, none doubled."""
    if tally is None:
        return "–" if absent else "not run"
    text = f"{tally.trials}: {tally.lost}/{tally.doubled}"
    return text + (f" unclear {tally.unclear}" if tally.unclear else "") + (f" idle {tally.idle}" if tally.idle else "")


def print_matrix(record: Record, steps: Mapping[str, Step]) -> None:
    """trials: lost/doubled, a row a step."""
    width = max(len(title) for title in record.titles.values())
    print(f"\n{'trials: lost/doubled':{max(width, 20)}} " + " ".join(f"{fault:>8}" for fault in FAULTS))
    for name in steps:
        cells = record.rows.get(name, {})
        texts = (cell_text(cells.get(fault), fault in record.absent[name]) for fault in FAULTS)
        print(f"{record.titles[name]:{max(width, 20)}} " + " ".join(f"{text:>8}" for text in texts))
    tallies = [tally for cells in record.rows.values() for tally in cells.values()]
    sums = {name: sum(getattr(tally, name) for tally in tallies) for name in ("trials", "lost", "doubled", "unclear", "idle")}
    print("\n" + ", ".join(f"{count} {name}" for name, count in sums.items()) + f" in {record.seconds:.0f} s\n", flush=True)
