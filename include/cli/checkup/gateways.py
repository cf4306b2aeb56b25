"""Whether the gateways that report themselves live, and serve the routes that are in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from include.cli.checkup.finding import Finding, ok, problem, warning
from include.cli.context import CliContext
from include.core.errors import NotReadyError
from include.routing.gateways import Gateway, database_time, list_gateways, silent_words
from include.routing.reader import read_routes

ABOUT = "gateways"


def check_gateways(context: CliContext, clocks: list[tuple[str, datetime]]) -> Iterator[Finding]:
    """All that the control store knows of. A database elsewhere tells its clock on the way."""
    try:
        control = context.control
    except NotReadyError as error:  # there is none yet, or it is of an earlier release, which another check tells
        yield ok(ABOUT, f"not known: {error.what}")
        return
    if control.engine.dialect.name != "sqlite":
        clocks.append(("the control store", database_time(control)))
    known = list_gateways(control)
    alive, silent = [each for each in known if each.alive], [each for each in known if not each.alive]
    if not known:
        yield ok(ABOUT, "none has reported itself within a day.")
    elif not alive:
        yield problem(ABOUT, f"none is alive: {silent_words(silent)}.", "start one; a rollout waits for it.")
    else:
        routes = {model: generation for model, (generation, _) in read_routes(control).items()}
        yield from _alive(alive, routes)
        if silent:
            hint = "see whether they still answer: one that is cut off from the control store serves the routes it had."
            yield warning(ABOUT, f"not alive, and waited for by nobody: {silent_words(silent)}.", hint)


def _alive(alive: list[Gateway], routes: dict[str, int]) -> Iterator[Finding]:
    behind = [
        f"{each.name} serves route {each.serves(model)} of {model}, not {generation}"
        for each in alive
        for model, generation in routes.items()
        if each.serves(model) < generation
    ]
    names = ", ".join(each.name for each in alive)
    if behind:
        yield warning(ABOUT, f"alive: {names}. Behind: {'; '.join(behind)}.", "read their logs: a version was refused, or loads.")
    else:
        yield ok(ABOUT, f"{len(alive)} alive, and serving the routes in force: {names}.")
    releases = sorted({each.identity.release for each in alive})
    if len(releases) > 1:
        yield warning(ABOUT, f"they are of several releases: {', '.join(releases)}.", "bring all to one release.")
