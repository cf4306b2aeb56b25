"""What `slipstream doctor` says of the gateways that report themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.cli.checkup.finding import Level
from include.cli.checkup.gateways import check_certificate, check_gateways
from include.cli.context import CliContext
from include.core.control import ControlStore, gateways
from include.core.environment import GATEWAY_TLS_CERT, GATEWAY_TLS_KEY
from include.core.settings import Settings
from include.routing.gateways import ALIVE_SECONDS, Identity, Report, report
from include.routing.route import Route, set_route
from tests.support.certificates import DAY, Authority


@pytest.fixture
def context(tmp_path: Path) -> CliContext:
    return CliContext(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}), control_must_exist=True)


@pytest.fixture
def control(context: CliContext) -> ControlStore:
    store = ControlStore(context.settings.control_url)
    store.create_tables()
    with store.transaction() as connection:
        set_route(connection, "toy", Route(champion=1))
    return store


def says(control: ControlStore, number: int, generation: int, silent: bool = False, release: str = "1") -> None:
    report(control, Identity(f"g{number}", "h:1", "here", 1, release, ""), Report({"toy": generation}))
    if silent:
        with control.transaction() as connection:
            mine = gateways.c.gateway == f"g{number}"
            connection.execute(gateways.update().where(mine).values(beat=gateways.c.beat - ALIVE_SECONDS - 60))


def told(context: CliContext) -> list[tuple[Level, str]]:
    clocks: list[tuple[str, datetime]] = []
    return [(each.level, each.words) for each in check_gateways(context, clocks)]


def test_where_nothing_has_run_that_is_no_fault(context: CliContext) -> None:
    assert [level for level, _ in told(context)] == [Level.OK]


def test_all_alive_and_serving_what_is_in_force(context: CliContext, control: ControlStore) -> None:
    assert told(context) == [(Level.OK, "none has reported itself within a day.")]
    for number in (1, 2):
        says(control, number, 1)
    ((level, words),) = told(context)
    assert level is Level.OK
    assert words.startswith("2 alive, and serving the routes in force: g")


def test_who_is_silent_behind_or_of_another_release_is_named(context: CliContext, control: ControlStore) -> None:
    says(control, 1, 1)
    says(control, 2, 0, release="2")
    says(control, 3, 1, silent=True)
    found = told(context)
    assert [level for level, _ in found] == [Level.WARNING] * 3
    assert "g2 (h:1 on here) serves route 0 of toy, not 1" in found[0][1]
    assert "several releases: 1, 2" in found[1][1]
    assert "g3 (h:1 on here), silent since" in found[2][1]


def test_none_alive_is_a_problem(context: CliContext, control: ControlStore) -> None:
    says(control, 3, 1, silent=True)
    ((level, words),) = told(context)
    assert level is Level.PROBLEM
    assert words.startswith("none is alive: g3 (h:1 on here), silent since")


def test_the_certificate_that_a_gateway_would_take_is_looked_at(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def told(ends: timedelta) -> tuple[Level, str]:
        issued = authority.issue("server", begins=-3 * DAY, ends=ends)
        environ = {GATEWAY_TLS_CERT.name: str(issued.certificate), GATEWAY_TLS_KEY.name: str(issued.key)}
        ((level, words),) = [(each.level, each.words) for each in check_certificate(environ)]
        return level, words

    assert list(check_certificate({})) == []
    assert told(30 * DAY)[0] is Level.OK
    assert told(3 * DAY)[0] is Level.WARNING
    level, words = told(-DAY)
    assert (level, "expired" in words) == (Level.PROBLEM, True)
