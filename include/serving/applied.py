"""Waiting until every gateway that is alive serves a route, by what each reports to the control store.

Who is silent is not waited for, and named: it may be gone, or be cut off from the store and go on serving the route before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from include.core.control import ControlStore
from include.core.errors import GateClosed, UnreachableError
from include.routing.gateways import Gateway, list_gateways, silent_words

log = logging.getLogger(__name__)
POLL_SECONDS = 0.05


def wait_for_all(control: ControlStore, model: str, generation: int, timeout: float) -> dict[str, Any] | None:
    """Wait until all gateways that are alive serve that generation of the model's route, or a later one.

    Returns {"generation": the lowest, "gateways": [names], "silent": [{"gateway", "since", "seconds"}]}, or None as soon as none
    is alive. Raises GateClosed if one refuses the route, UnreachableError at the timeout; both name the gateways.
    """
    until = time.monotonic() + timeout
    while True:
        seen = list_gateways(control)
        alive = [each for each in seen if each.alive]
        if not alive:
            return None
        behind = [each for each in alive if not each.follows(model, generation)]
        if not behind:
            return _answer(model, generation, alive, [each for each in seen if not each.alive])
        _check_refusals(model, generation, behind)
        if time.monotonic() > until:
            raise _late(model, generation, timeout, behind, seen)
        time.sleep(POLL_SECONDS)


def _answer(model: str, generation: int, alive: Sequence[Gateway], silent: Sequence[Gateway]) -> dict[str, Any]:
    log.info("Route %d of %s is served by %s.", generation, model, ", ".join(each.name for each in alive))
    if silent:
        log.warning("Not waited for, and perhaps serving the route before: %s.", silent_words(silent))
    return {
        "generation": min(each.serves(model) for each in alive),
        "gateways": [each.name for each in alive],
        "silent": [{"gateway": each.name, "since": each.heard, "seconds": round(each.silent, 1)} for each in silent],
    }


def _check_refusals(model: str, generation: int, behind: Sequence[Gateway]) -> None:
    why = {each.name: problems for each in behind if (problems := each.refusal(model, generation)) is not None}
    if why:
        raise GateClosed(
            f"{'A gateway' if len(why) == 1 else 'Gateways'} refused route {generation} of {model}: "
            + "; ".join(f"{name}: {problems}" for name, problems in why.items())
            + ".",
            safe="it goes on serving the route before; others may serve this one already.",
            hint="repair or replace the version it names.",
        )


def _late(model: str, generation: int, timeout: float, behind: Sequence[Gateway], seen: Sequence[Gateway]) -> UnreachableError:
    silent = [each for each in seen if not each.alive]
    late = ", ".join(f"{each.name} serves {each.serves(model)}" for each in behind)
    more = f" Not waited for: {silent_words(silent)}." if silent else ""
    return UnreachableError(
        f"Not every gateway has applied route {generation} of {model} within {timeout:.0f} s: {late}.{more}",
        safe="those go on serving the route before; the others serve this one.",
        hint="read their logs (a model file may take long to load); the task is retried.",
    )
