"""Running cells: the kinds beside each other, each model's cells one after the other."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.hands.cells import Cell
from tests.hands.parts import PARTS
from tests.hands.specs import MODELS, dag_of, kind_of
from tests.hands.trial import Verdict, run_cell
from tests.hands.world import Hand, hands_world


def models_for(cells: Sequence[Cell], *, spread: bool) -> tuple[str, ...]:
    """Those that the cells need; `spread`: all models of a kind share its cells."""
    kinds = {cell.kind for cell in cells}
    return tuple(model for model in MODELS if kind_of(model) in kinds and (spread or model.endswith("_0")))


def run_cells(
    cells: Sequence[Cell], *, warm: bool, spread: bool, minutes: float = float("inf"), home: Path | None = None
) -> list[Verdict]:
    """Every cell's verdict, in the order they ended; those that were not begun after `minutes` are left out.

    `home`: see hands_world.
    """
    models, verdicts = models_for(cells, spread=spread), list[Verdict]()
    todo: dict[str, queue.SimpleQueue[Cell]] = {kind_of(model): queue.SimpleQueue() for model in models}
    for cell in cells:
        todo[cell.kind].put(cell)
    with hands_world(models, warm=warm, home=home) as (world, services):
        parts = {model: PARTS[kind_of(model)](services, model) for model in models}
        logging.disable(logging.WARNING)  # what is made ready here is no trial
        for part in parts.values():  # one after the other: they compute in this process
            part.prepare()
        logging.disable(logging.NOTSET)
        until = time.monotonic() + 60 * minutes

        def work(model: str) -> None:
            hand, mine = Hand(world, dag_of(model)), todo[kind_of(model)]
            hand.settle()  # switching a DAG on made a run for the newest day
            while time.monotonic() < until:
                try:
                    cell = mine.get_nowait()
                except queue.Empty:
                    return
                verdict = run_cell(hand, parts[model], cell)
                verdicts.append(verdict)
                _tell(verdict, len(verdicts), len(cells))

        threads = [threading.Thread(target=work, args=(model,), daemon=True) for model in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return verdicts


def _tell(verdict: Verdict, count: int, total: int) -> None:
    words = "FAILED" if verdict.findings else verdict.idle or ("as declared" if verdict.declared else "good")
    print(f"{count}/{total} {verdict.cell}: {words}, {verdict.seconds} s", flush=True)
    for finding in verdict.findings:
        print(f"    {finding[:1200]}", flush=True)
