"""`docs/guarantees.md`, written from what the runs found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.chaos.protocol import FAULTS
from tests.chaos.record import Book, Record, cell_text

HEAD = """# What is guaranteed, and what is not

This page is written by `make chaos`; each cell shows its latest run. Every trial runs a step's real
operator in real processes against the real ledger, control store and backends, puts in one fault, lets a retry or a
second attempt finish the work as Airflow would, and compares everything that is left with a twin that had no fault:
results and their bytes, rows of the control store, jobs, runs, versions, metrics, online values, routes, decisions,
and the files on disk that nothing points to.

**Lost**: something the twin has and the trial has not, or work that could not be finished. **Doubled**: something
only the trial has. An error that does not say what happened, or is not one of ours, counts as unclear and fails the
run, too; so does a trial in which the fault did not happen.

Two things are shorter here than in life, and neither is seen by the tasks: a dependency is down for half a second to
two seconds where F10 says a minute, and a retry comes after 0.15 s where the shipped DAGs wait 20 s after an error that
may pass, and try four times (so they outlast a minute). F8 stands for what a restarted triggerer or scheduler does to
one task: the trigger runs again and the deferral is resumed twice, or, where nothing is deferred, a second attempt starts
while the orphan of the first goes on. Whole schedulers are killed in the scheduler-level trials.
"""

MEANING = "## What “nothing lost, nothing doubled” means\n\n| step | promise |\n|---|---|"

NOT = """## What is not guaranteed, and why

- **A power cut with a disk that lies.** Every file is synced before it is renamed, and so is its folder; SQLite runs
  with `synchronous=FULL`. A disk or hypervisor that reports a sync it did not do can lose the newest of them. The
  trials kill processes, not machines.
- **The steps since the last checkpoint are redone**, at most one interval (`checkpoint_every`) a kill. Two attempts
  that overlap each do their own steps; one result stands.
- **Side effects of a model's own code.** A step's function may run twice, wholly or in part; what it returns is
  committed once. A `fit` that writes elsewhere must take care of that itself.
- **Airflow's own metadata.** If Airflow's database is lost, runs and XComs are. Nothing is computed twice for it: the
  ledger answers by content. An asset event is sent when its task is reported a success; an event may come twice, and
  the second starts nothing new (a version has its rollout once, equal inputs have one result). Airflow may also drop one:
  a candidate then waits until the next event, or the end of the rollout that is under way.
- **A paused DAG.** A rollout whose DAG is paused keeps its share of the traffic, and the judge's verdict on it is not
  acted upon, until the DAG is switched on. `slipstream rollout abort` and `rollback` work all the same.
- **What a person marks success** in another DAG than the rollout's is taken as done. Nothing is lost by it: whoever asks
  again gets it.
- **A job backend that forgets a live job.** A name is taken once for as long as the backend knows it. A Ray head that
  lost its memory while the job's process lives on another node would be given the same name again: two processes,
  of which the first to commit wins.
- **A stopped holder inside a transaction.** SQLite's lock is its process's: others wait up to 30 s, then retry until
  it is gone. PostgreSQL ends such a transaction after 60 s. A paused attempt therefore delays; it never doubles.
- **What a killed process leaves** is removed by the next task that starts on the same machine (scratch) or by the
  next attempt of the same key (temporary files, outputs that no result names). On a shared disk another machine's
  leftovers go after a day. Parts of S3 uploads that were never finished likewise. Checkpoints stay with their
  generation.
- **Disks that are full for good.** The old state stays readable and every write is refused whole; the error names the
  path and the bytes; the retry goes on by itself once there is room. A library's own temporary files (DuckDB, Arrow)
  are counted as far as they had come: the bytes named are then a lower bound, and the message says “at least”.
- **People.** `slipstream cancel`, `rollback` and `invalidate` do what they say, at once.
"""

AGAIN = """## Running it again

    make chaos SEEDS=10                                                  # everything; writes this page
    make hands HANDS="--kinds rollout --whole"                           # an operator's hand, some rows, in every state
    .venv/bin/python -m tests.chaos --seeds 3 --steps submit register    # some rows
    .venv/bin/python -m tests.chaos --steps submit --faults F2 --seed 7 --slots 1   # one trial, as a failure prints it

A trial is named by its step, its fault and its seed: these choose the backends, the place of the fault and the length
of every pause. Timing is the machine's. The small file systems need the right to mount one (root).
"""


def write_page(book: Book, path: Path) -> None:
    path.write_text("\n".join(_lines(book)) + "\n")


def _lines(book: Book) -> Iterator[str]:
    yield HEAD
    yield f"{book.ours.trials} trials. Each cell shows its latest run; a row says of which commit and day its cells are."
    yield "\n## The matrix\n\nA cell says how many trials, and in how many of them something was lost / doubled.\n"
    yield from _table(book.ours)
    yield ""
    yield from (f"- **{fault}**: {words}" for fault, words in FAULTS.items())
    yield "\n" + MEANING
    yield from (f"| {book.ours.titles[name]} | {promise} |" for name, promise in book.ours.promises.items())
    yield from _absent(book.ours)
    yield from _series(book)
    if book.stock.rows:
        yield "\n## The same faults, the stock way\n\nEach tool used as its documentation says, in the same harness.\n"
        yield from _table(book.stock)
        yield ""
        yield from (f"- **{book.stock.titles[name]}**: {promise}" for name, promise in book.stock.promises.items())
        yield from _absent(book.stock)
    for section in book.sections.values():
        yield f"\n{section.strip()}"
    yield "\n" + NOT
    yield AGAIN.rstrip()


def _table(record: Record) -> Iterator[str]:
    yield "| | " + " | ".join(FAULTS) + " | of |"
    yield "|---" * (len(FAULTS) + 2) + "|"
    for name in record.titles:
        cells = record.rows.get(name, {})
        texts = (cell_text(cells.get(fault), fault in record.absent.get(name, {})) for fault in FAULTS)
        yield f"| {record.titles[name]} | " + " | ".join(texts) + f" | {'; '.join(record.runs(name))} |"


def _absent(record: Record) -> Iterator[str]:
    reasons = [(record.titles[name], fault, why) for name, cells in record.absent.items() for fault, why in cells.items()]
    if reasons:
        yield "\nCells that do not apply (–):\n"
        yield from (f"- {title}, {fault}: {why}" for title, fault, why in reasons)


def _series(book: Book) -> Iterator[str]:
    if book.series:
        yield "\n## Series\n\n| what | trials | lost | doubled |\n|---|---|---|---|"
        yield from (f"| {one['what']} | {one['trials']} | {one['lost']} | {one['doubled']} |" for one in book.series.values())
