"""`slipstream demo`: the main job from nothing to a rolled-back canary, in one command."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from threading import Thread

from include.backends.airflow.client import AirflowClient
from include.core.connection import Connection, from_env
from include.core.digest import PROJECT
from include.core.errors import ConflictError, SlipstreamError, UnreachableError, one_line
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.demo.account import write_account
from include.demo.flights import MODEL
from include.demo.journal import Journal
from include.demo.plan import FULL, PLANS, SHORT, Plan
from include.demo.progress import Course, Progress
from include.demo.source import provide
from include.demo.story import Story
from include.local.connections import read_file
from include.local.platform import Platform
from include.local.up import up
from include.rollout.history import list_rollouts
from include.services.services import AIRFLOW, Services

DAGS = ("features", "features_range", "training", "rollout", "monitoring", "scoring")
SET_UP, START = "set-up", "start"  # the phases before the story


def run(full: bool = False) -> int:
    """Returns 0 if every phase did what it should, 1 otherwise; writes report.html either way. `full`: the long telling."""
    platform = Platform.from_env()
    journal = Journal.load(platform.home / "demo.json")
    plan = choose(journal, full)
    _set_up_seconds(journal)
    story: Story | None = None
    problem = ""
    try:
        with Progress(Course(plan.budget, _past(journal, plan), aside=SET_UP)) as progress:
            journal.progress = progress
            story = _start(platform, journal, plan)
            _tell(story)
            problem = _shortcomings(story)
    except SlipstreamError as error:
        problem = one_line(error)
    except KeyboardInterrupt:
        problem = "interrupted; run it again and it goes on from here"
    except Exception as error:  # noqa: BLE001 (whatever happened, the account is written)
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}"
    report = write_account(journal, plan, platform, story, problem, PROJECT / "report.html")
    print(report)
    return 1 if problem else 0


def choose(journal: Journal, full: bool) -> Plan:
    """The telling that was begun here, else the one that is asked for. Raises ConflictError for `full` after the short one.

    A home has one history: two tellings in it would train, watch and roll out in between each other.
    """
    begun = journal.facts.get("plan") or (FULL.name if journal.done else "")
    if full and begun == SHORT.name:
        raise ConflictError(
            "This home holds the short demonstration; the long one needs a home of its own.",
            seen=str(journal.path.parent),
            safe="nothing was started or changed.",
            hint="`make clean` and then `make demo FULL=1`; or SLIPSTREAM_HOME=/another/folder, and `make down` first.",
        )
    asked = FULL if full else SHORT
    plan = PLANS[begun] if begun else asked
    journal.facts["plan"] = plan.name
    return plan


def _tell(story: Story) -> None:
    phases: dict[str, Callable[[], None]] = {
        "features": story.features,
        "v1": story.first_version,
        "weeks watched": story.watch_weeks,
        "v2": story.retrained_version,
        "replay and v2": story.replay,
        "broken version": story.broken_version,
    }
    for name in story.plan.budget:
        if name in phases and not story.journal.is_done(name):
            with story.journal.phase(name):
                phases[name]()


def _past(journal: Journal, plan: Plan) -> dict[str, float]:
    """What earlier phases took: the set-up's, and those that an interrupted demo has behind it."""
    known = (SET_UP, *(name for name in journal.done if name in plan.budget))
    return {name: journal.seconds.get(name, 0.0) for name in known}


def _start(platform: Platform, journal: Journal, plan: Plan) -> Story:
    """The platform up, the DAGs seen and switched on, the flights of the replay ready. A second demo finds all of it there."""
    began = time.monotonic()
    if journal.progress:
        journal.progress.begin(START)
    journal.print_line("starting the platform (make down stops it)")
    copying = _provide_flights(platform, plan)
    waited = up(platform, say=journal.print_line)
    services = Services.from_env({**os.environ, **read_file(platform.home)})
    airflow = AirflowClient(_connection(services.settings, AIRFLOW))
    for part in DAGS:
        airflow.wait_for_dag(f"{MODEL}_{part}")
    copying.join()
    if any(waited.values()):
        journal.seconds[START] = round(time.monotonic() - began + _since_process_start(began), 1)
    else:
        journal.print_line("the platform was running already: reused")
    if journal.progress:
        journal.progress.end(START, time.monotonic() - began)
    token = _connection(services.settings, "slipstream_gateway").password
    return Story(services.spec(MODEL), services, airflow, journal, token, plan)


def _provide_flights(platform: Platform, plan: Plan) -> Thread:
    """Make the source's copy of the history while the platform starts. What fails here is made again where it is read, and
    reported there."""
    copy = LocalStorage(platform.home / "demo-source")
    days = (plan.history[0], plan.replay[1])
    thread = Thread(target=provide, args=(copy, *days), daemon=True, name="flights")
    thread.start()
    return thread


def _since_process_start(began: float) -> float:
    """Seconds between this process' start and `began`: to import it all is part of the start."""
    import psutil

    return max(0.0, time.time() - float(psutil.Process().create_time()) - (time.monotonic() - began))


def _connection(settings: Settings, conn_id: str) -> Connection:
    connection = from_env(conn_id, settings.environ)
    if connection is None:
        raise UnreachableError(f"The connection {conn_id} is not in {settings.home}/connections.env.", hint="make up writes it.")
    return connection


def _set_up_seconds(journal: Journal) -> None:
    stamp = PROJECT / ".venv" / ".seconds"
    if stamp.exists():
        journal.seconds[SET_UP] = float(stamp.read_text())


def _shortcomings(story: Story) -> str:
    """What did not happen that should have; empty if all did."""
    facts, problems = story.journal.facts, []
    if facts.get("failed"):
        problems.append(f"{facts['failed']} of {facts['requests']} requests failed: {facts.get('first_failure', '')}")
    rollouts = list_rollouts(story.control, story.spec.name)
    if not any(one.state == "promoted" and one.champion is not None for one in rollouts):
        problems.append("no retrained version was promoted")
    if rollouts[-1].state != "rolled_back":
        problems.append("the broken version was not rolled back")
    elif rollouts[-1].stage not in story.plan.caught_in:
        problems.append(f"the broken version was caught in {rollouts[-1].stage}, not in {story.plan.caught_in[0]}")
    return "; ".join(problems)
