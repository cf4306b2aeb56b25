"""Which processes may still write to the stores, as far as this machine can know: while one does, they are not upgraded.

A process of an earlier release does not ask for the schema's number, and would go on writing what it knows. So what starts
processes counts as well: the local platform, Airflow's scheduler, the gateway, unfinished runs, jobs.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.exc import DatabaseError

from include.cli.components import components
from include.cli.context import CliContext
from include.core import tls
from include.core.errors import SlipstreamError
from include.governance.jobs import live
from include.local.orphans import find
from include.local.platform import Platform
from include.local.supervisor import Supervisor
from include.routing.gateways import list_gateways

TIMEOUT = 5.0  # seconds that Airflow is given to say how it is
SHOWN = 5


@dataclass(frozen=True)
class Writer:
    """Something that may write, and what a person does to stop it."""

    what: str
    stop: str


def writers(context: CliContext) -> list[Writer]:
    """All that are found. What does not answer is taken as stopped: an upgrade begins with stopping everything."""
    here = list(_platform(Platform(context.settings.home)))
    return [*(here or _servers(context)), *_jobs(context)]


def _platform(platform: Platform) -> Iterator[Writer]:
    supervisor = Supervisor(platform)
    if supervisor.running():
        running = sorted(name for name, state in supervisor.states().items() if state["pid"])
        yield Writer(f"the platform in {platform.home} ({', '.join(running) or 'its supervisor'})", "make down")
    elif left := find(platform):
        numbers = ", ".join(str(process.pid) for process in left[:SHOWN])
        yield Writer(f"{len(left)} processes that a platform in {platform.home} has left ({numbers})", "make down")


def _servers(context: CliContext) -> Iterator[Writer]:
    yield from _gateways(context)
    answering = {part.name: part.address for part in components(context.settings) if not part.problem}
    if url := answering.get("gateway"):
        yield Writer(f"the gateway at {url}", "stop the gateway")
    if url := answering.get("airflow"):
        if _schedules(url):
            yield Writer(f"Airflow's scheduler at {url}, which may start a task at any moment", "stop Airflow's scheduler")
        yield from _runs(context)


def _gateways(context: CliContext) -> Iterator[Writer]:
    """Those that have reported themselves just now, on whatever machine. A store of before they did has no such table."""
    try:
        known = list_gateways(context.any_control)
    except (SlipstreamError, DatabaseError):
        return
    for each in known:
        if each.alive:
            yield Writer(f"the gateway {each.name}", "stop that gateway")


def _schedules(url: str) -> bool:
    """Whether the scheduler has given a sign of life lately, by Airflow's own word."""
    try:
        secure = urllib.request.HTTPSHandler(context=tls.context())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), secure)
        with opener.open(f"{url}/api/v2/monitor/health", timeout=TIMEOUT) as answer:
            said = json.load(answer)
        return bool(said["scheduler"]["status"] == "healthy")
    except (OSError, ValueError, KeyError, TypeError, SlipstreamError):
        return False


def _runs(context: CliContext) -> Iterator[Writer]:
    """Unfinished runs of our models, where Airflow may be asked."""
    airflow = context.airflow()
    if airflow is None:
        return
    found = [f"{dag_id} {run_id}" for dag_id, run_id, _ in airflow.unfinished()]
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        yield Writer(f"unfinished runs: {', '.join(found[:SHOWN])}{more}", "let the runs end, or mark them")


def _jobs(context: CliContext) -> Iterator[Writer]:
    attempts = live(context.ledger)
    if not attempts:
        return
    try:
        running = set(context.jobs().under_way())
    except SlipstreamError:  # a backend that does not answer runs nothing that could be stopped
        return
    for attempt in attempts:
        if attempt.job in running:  # others are of another ledger
            yield Writer(f"the job {attempt.job}", f"slipstream cancel {attempt.job}")
