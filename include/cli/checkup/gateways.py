"""Whether the gateways that report themselves live, and serve the routes that are in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from include.cli.checkup.finding import Finding, ok, problem, warning
from include.cli.context import CliContext
from include.core.errors import NotReadyError, SlipstreamError, one_line
from include.core.time import now
from include.routing.gateways import Gateway, database_time, list_gateways, silent_words
from include.routing.reader import read_routes
from include.serving.http.certificate import SOON, from_environment

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


def check_certificate(environ: Mapping[str, str]) -> Iterator[Finding]:
    """The one that a gateway of this machine would take, where one is named."""
    try:
        own = from_environment(environ)
    except SlipstreamError as error:
        yield problem("certificate", one_line(error), error.hint)
        return
    if own is not None and own.expires <= now() + SOON:
        yield warning("certificate", f"the gateway's ends at {own.expires:%Y-%m-%d %H:%M} UTC.", "put a new one there.")
    elif own is not None:
        yield ok("certificate", f"the gateway's is good until {own.expires:%Y-%m-%d %H:%M} UTC.")


def _alive(alive: list[Gateway], routes: dict[str, int]) -> Iterator[Finding]:
    behind = [
        f"{each.name} serves route {each.serves(model)} of {model}, not {generation}"
        for each in alive
        for model, generation in routes.items()
        if not each.follows(model, generation)
    ]
    names = ", ".join(each.name for each in alive)
    if behind:
        yield warning(ABOUT, f"alive: {names}. Behind: {'; '.join(behind)}.", "read their logs: a version was refused, or loads.")
    else:
        yield ok(ABOUT, f"{len(alive)} alive, and serving the routes in force: {names}.")
    releases = sorted({each.identity.release for each in alive})
    if len(releases) > 1:
        yield warning(ABOUT, f"they are of several releases: {', '.join(releases)}.", "bring all to one release.")
