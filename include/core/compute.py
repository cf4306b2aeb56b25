"""A request's result without a task around it: found in the ledger, or computed here and committed, as a task does it."""

from __future__ import annotations

from dataclasses import dataclass

from include.core.ledger import Ledger
from include.core.needs import Needs
from include.core.request import Request, Result
from include.core.settings import Settings
from include.core.task import perform


@dataclass(frozen=True)
class Computed:
    """A result that stands, and whether it was there already."""

    result: Result
    reused: bool


def open_generation(request: Request, ledger: Ledger) -> tuple[int, Result | None]:
    """The generation to work on, and its result if there is one. One whose bytes changed is never served again."""
    ledger.record(request)
    generation = ledger.current(request.key)
    known = ledger.result(request.key, generation)
    if known is not None and (broken := ledger.verify(known)):
        generation = ledger.open_generation(request.key, f"repair:g{generation}", f"damaged: {', '.join(broken)}")
        known = ledger.result(request.key, generation)
    return generation, known


def find_or_compute(request: Request, ledger: Ledger, settings: Settings) -> Computed:
    """The request's result, computed in this process unless it is there. Raises what the step raises, as one of our errors.

    A computation that was cut off is gone on with from its checkpoints.
    """
    generation, known = open_generation(request, ledger)
    if known is not None:
        return Computed(known, reused=True)
    attempt = ledger.open_attempt(request.key, generation, Needs().told("task"))
    return Computed(perform(request, attempt, ledger, settings), reused=False)
