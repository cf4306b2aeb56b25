"""What cells came to: counted by task and action, kept as JSON, printed, and a section of the guarantees page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.hands.cells import ACTIONS, EVENTS, STATES, absent, tasks_of
from tests.hands.specs import KINDS
from tests.hands.trial import Verdict

MARK, NEXT = "## What an operator's hand may do", "## What is not guaranteed, and why"

COUNTS = ("trials", "lost", "doubled", "silent", "declared", "idle")


@dataclass
class Tally:
    trials: int = 0
    lost: int = 0
    doubled: int = 0
    silent: int = 0
    declared: int = 0
    idle: int = 0
    of: str = ""  # the commit and the day of the run

    def text(self) -> str:
        found = f"{self.trials}: {self.lost}/{self.doubled}/{self.silent}"
        return found + (" d" if self.declared else "") + (" –" if self.idle and self.idle == self.trials else "")


Book = dict[str, dict[str, Tally]]  # by "kind.task", then by action


def counted(verdicts: Iterable[Verdict], run: str = "") -> Book:
    """`run`: the commit and the day of it, which the cells keep."""
    book: Book = {}
    for verdict in verdicts:
        tally = book.setdefault(f"{verdict.cell.kind}.{verdict.cell.task}", {}).setdefault(verdict.cell.action, Tally(of=run))
        tally.trials += 1
        for kind in ("lost", "doubled", "silent"):
            setattr(tally, kind, getattr(tally, kind) + (verdict.count(kind) > 0))
        tally.declared += verdict.declared
        tally.idle += bool(verdict.idle)
    return book


def this_run() -> str:
    """As the chaos' cells say it."""
    from tests.chaos.matrix import this_run as said

    return said()


def read(path: Path) -> Book:
    if not path.exists():
        return {}
    body: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(path.read_text())
    return {row: {action: Tally(**tally) for action, tally in cells.items()} for row, cells in body.items()}


def merge(book: Book, newer: Book) -> Book:
    """The newer run of a cell replaces the older one."""
    return {row: {**book.get(row, {}), **newer.get(row, {})} for row in {**book, **newer}}


def write(book: Book, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {row: {action: asdict(one) for action, one in cells.items()} for row, cells in book.items()}
    path.write_text(json.dumps(body, indent=1) + "\n")


def total(book: Book) -> Tally:
    whole = Tally()
    for tally in _tallies(book):
        for name in COUNTS:
            setattr(whole, name, getattr(whole, name) + getattr(tally, name))
    return whole


def _tallies(book: Book) -> Iterator[Tally]:
    return (tally for cells in book.values() for tally in cells.values())


def section(book: Book) -> str:
    return "\n".join(_lines(book))


def _lines(book: Book) -> Iterator[str]:
    whole, runs = total(book), Counter[str]()
    for tally in _tallies(book):
        runs[tally.of] += tally.trials
    dated = "; ".join(f"{number} of {run}" for run, number in sorted(runs.items(), key=lambda each: each[0][-10:]))
    yield f"""{MARK}

`make hands` does, under a real Airflow, what a person may do in its UI, to each DAG at each task; the rows come from the
DAGs themselves. A trial brings the task into a state, does it, lets everything end, and looks at the control store, the
ledger and the alerts: one version, decision, batch or published day for what was asked, one attempt of each job, one turn
of each candidate, a route that says what the rollouts say. **Lost**: asked for once more, it is still not done.
**Silent**: it is not done, and no run is red; a rollout's run is green though its version was not promoted; a live rollout
that nobody drives; a rollback that nobody was told. The gateway is taken at its word, and a stage passes as soon as the
trial lets it: the judge has trials of its own.

{whole.trials} trials: {whole.lost} lost, {whole.doubled} doubled, {whole.silent} silent. Each cell shows its latest run
({dated}). A cell says
`trials: lost/doubled/silent`; `d`: green because a person marked it so, which Airflow takes at its word (not for a rollout:
its run is red unless promoted); `–` after the figures: the state does not come up; `·`: not run yet. Each cell is tried in
one of the states below, in turns; with `--whole` in every one.
"""
    actions = list(ACTIONS)
    yield "| | " + " | ".join(actions) + " |"
    yield "|---" * (len(actions) + 1) + "|"
    for kind in KINDS:
        for task in tasks_of(kind):
            cells = book.get(f"{kind}.{task.task_id}", {})
            texts = ["–" if absent(kind, task, action) else _text(cells.get(action)) for action in actions]
            yield f"| {kind} {task.task_id} | " + " | ".join(texts) + " |"
    yield "\n| what reaches the rollout DAG as events | |\n|---|---|"
    events = book.get("rollout.", {})
    yield from (f"| {words} | {_text(events.get(action))} |" for action, words in EVENTS.items())
    yield ""
    yield from (f"- **{action}**: {words}" for action, words in ACTIONS.items())
    yield "- states: " + "; ".join(f"*{state}*, {words}" for state, words in STATES.items())
    yield ""


def _text(tally: Tally | None) -> str:
    return "·" if tally is None else tally.text()


def put_into_page(text: str, page: Path) -> None:
    """In place of the section of that name; before what is not guaranteed where there is none yet."""
    old = page.read_text()
    head, _, rest = old.partition(MARK) if MARK in old else old.partition(NEXT)
    tail = rest[rest.index(NEXT) :] if MARK in old else f"{NEXT}{rest}"
    page.write_text(f"{head}{text}\n{tail}")


def keep_in_chaos_book(text: str) -> None:
    """`make chaos` writes the whole page from its own book: this section is part of it."""
    from tests.chaos.matrix import RECORD
    from tests.chaos.record import Book as ChaosBook

    book = ChaosBook.read(RECORD)
    book.sections["hands"] = text
    book.write(RECORD)
