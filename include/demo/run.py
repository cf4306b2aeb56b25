"""`slipstream demo`: the main job from nothing to a rolled-back canary, in one command."""

from __future__ import annotations

import os
import time
import traceback

from include.backends.airflow.client import AirflowClient
from include.core.connection import Connection, from_env
from include.core.digest import PROJECT
from include.core.errors import SlipstreamError, UnreachableError, one_line
from include.core.settings import Settings
from include.demo.account import write_account
from include.demo.journal import Journal
from include.demo.story import Story
from include.local.connections import read_file
from include.local.platform import Platform
from include.local.up import up
from include.rollout.history import list_rollouts
from include.services.services import AIRFLOW, Services

MODEL = "flight_delay"
DAGS = ("features", "training", "rollout", "monitoring", "scoring")


def run() -> int:
    """Returns 0 if every phase did what it should, 1 otherwise; writes report.html either way."""
    platform = Platform.from_env()
    journal = Journal.load(platform.home / "demo.json")
    _set_up_seconds(journal)
    story: Story | None = None
    problem = ""
    try:
        story = _start(platform, journal)
        for name, phase in (
            ("features", story.features),
            ("v1", story.first_version),
            ("replay and v2", story.replay),
            ("broken version", story.broken_version),
        ):
            if not journal.is_done(name):
                with journal.phase(name):
                    phase()
        problem = _shortcomings(story)
    except SlipstreamError as error:
        problem = one_line(error)
    except KeyboardInterrupt:
        problem = "interrupted; run it again and it goes on from here"
    except Exception as error:  # noqa: BLE001 (whatever happened, the account is written)
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}"
    report = write_account(journal, platform, story, problem, PROJECT / "report.html")
    print(report)
    return 1 if problem else 0


def _start(platform: Platform, journal: Journal) -> Story:
    """The platform up, the DAGs seen and switched on. A second demo finds all of it there."""
    started = time.monotonic()
    journal.print_line("starting the platform (make down stops it)")
    waited = up(platform, say=journal.print_line)
    services = Services.from_env({**os.environ, **read_file(platform.home)})
    airflow = AirflowClient(_connection(services.settings, AIRFLOW))
    for part in DAGS:
        airflow.wait_for_dag(f"{MODEL}_{part}")
    if any(waited.values()):
        journal.seconds["start"] = round(time.monotonic() - started, 1)
    else:
        journal.print_line("the platform was running already: reused")
    token = _connection(services.settings, "slipstream_gateway").password
    return Story(services.spec(MODEL), services, airflow, journal, token)


def _connection(settings: Settings, conn_id: str) -> Connection:
    connection = from_env(conn_id, settings.environ)
    if connection is None:
        raise UnreachableError(f"The connection {conn_id} is not in {settings.home}/connections.env.", hint="make up writes it.")
    return connection


def _set_up_seconds(journal: Journal) -> None:
    stamp = PROJECT / ".venv" / ".seconds"
    if stamp.exists():
        journal.seconds["set-up"] = float(stamp.read_text())


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
    return "; ".join(problems)
