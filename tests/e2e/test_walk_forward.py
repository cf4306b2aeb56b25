"""A backfill of the training DAG is a walk-forward backtest, on the real flights, through a real Airflow. Long: `make e2e`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from include.backends.airflow.client import AirflowClient
from include.core.connection import from_env
from include.core.control import ControlStore
from include.core.settings import Settings
from include.data.published import published
from include.demo.flights import land
from include.local import environment
from include.local.connections import read_file
from include.local.credentials import Credentials
from include.local.down import down
from include.local.platform import Platform
from include.local.ports import DEFAULT_PORTS, free_ports
from include.local.up import up
from include.routing.route import read_route
from include.versions import queries as versions

pytestmark = pytest.mark.e2e
MODEL = "flight_delay"
FIRST, LAST = date(2013, 1, 1), date(2013, 9, 30)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole platform in a home of its own, with nine months of features published by a backfill."""
    made = Platform(tmp_path_factory.mktemp("home"), dict(zip(DEFAULT_PORTS, free_ports(len(DEFAULT_PORTS)), strict=True)))
    up(made)
    try:
        client(made).wait_for_dag(f"{MODEL}_features")
        client(made).wait_for_dag(f"{MODEL}_training")
        land(settings(made).storage(), FIRST, LAST)
        backfill(made, "features", FIRST, LAST)
        control = ControlStore(settings(made).control_url)
        wait(lambda: len(published(control, MODEL, FIRST, LAST)) == 273, 1200)
        yield made
    finally:
        down(made)


def settings(platform: Platform) -> Settings:
    return Settings.from_env({**os.environ, **read_file(platform.home)})


def client(platform: Platform) -> AirflowClient:
    connection = from_env("slipstream_airflow", settings(platform).environ)
    assert connection is not None
    return AirflowClient(connection)


def backfill(platform: Platform, part: str, first: date, last: date) -> None:
    command = [str(Path(sys.executable).parent / "airflow"), "backfill", "create", f"--dag-id={MODEL}_{part}"]
    env = environment.airflow(platform, Credentials.load(platform.home))
    subprocess.run([*command, f"--from-date={first}", f"--to-date={last}"], env=env, check=True, capture_output=True)


def wait(done: object, seconds: float) -> None:
    assert callable(done)
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "took too long"
        time.sleep(2)


def test_six_versions_each_from_what_was_known_then_and_nothing_else_moves(platform: Platform) -> None:
    control = ControlStore(settings(platform).control_url)
    before = read_route(control, MODEL)
    backfill(platform, "training", date(2013, 4, 1), LAST)
    wait(lambda: len(versions.records(control, MODEL)) == 6, 1500)
    records = versions.records(control, MODEL)
    moments = sorted(record.entry.as_of[:10] for record in records)
    assert moments == ["2013-05-01", "2013-06-01", "2013-07-01", "2013-08-01", "2013-09-01", "2013-10-01"]
    assert {str(record.stage) for record in records} == {"Staging"}
    assert read_route(control, MODEL) == before
    assert client(platform).runs(f"{MODEL}_rollout") == []
    command = [sys.executable, "-c", "import sys; from include.cli.main import main; sys.exit(main())", "backtest", MODEL]
    done = subprocess.run(
        command, env={**os.environ, "SLIPSTREAM_HOME": str(platform.home)}, capture_output=True, text=True, check=True
    )
    print(done.stdout)
    assert len(done.stdout.splitlines()) == 7
