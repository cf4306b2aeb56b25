"""Each case of examples/ through its whole life: `make e2e CASE=eta`. See case_life.py for what happens.

With CASE_HOME=/some/folder everything is kept there, and a life that was interrupted goes on where it was.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from include.authoring.new import make
from include.backends.process.jobs import ProcessJobs
from include.core.catalog import load_spec
from include.core.connection import from_env
from include.core.digest import PROJECT
from include.core.places import PACKAGE
from include.local.connections import read_file
from include.local.down import down
from include.local.platform import Platform
from include.local.up import up
from include.services.services import Services
from tests.e2e.case_life import Life
from tests.e2e.cases import load, names
from tests.support.airflow_home import fill, on_free_ports
from tests.support.airflow_world import AIRFLOW, ENVIRONMENT

pytestmark = pytest.mark.e2e
CHOSEN = os.environ.get("CASE", "").split()


@contextmanager
def home_of(name: str) -> Iterator[Path]:
    """A folder that goes with the test, unless CASE_HOME says where to keep it. Not tmp_path: root's PostgreSQL is nobody's."""
    kept = os.environ.get("CASE_HOME", "")
    home = Path(kept) / name if kept else Path(tempfile.mkdtemp(prefix=f"slipstream-case-{name}-"))
    home.mkdir(parents=True, exist_ok=True)
    try:
        yield home
    finally:
        if not kept:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def platform_of(home: Path, models: Path) -> Iterator[Platform]:
    """A real Airflow and the gateway, for the models of a folder."""
    environment = {
        **ENVIRONMENT,
        "SLIPSTREAM_DAGS": str(PROJECT / "dags"),
        "SLIPSTREAM_MODELS": str(models),
        "SLIPSTREAM_WARM": "1",
    }
    if new := not home.exists():
        home.mkdir()
    platform = on_free_ports(home)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        if new:
            fill(home)
        try:
            up(platform, (*AIRFLOW, "gateway"))
            yield platform
        finally:
            _stop_jobs(platform)
            down(platform)


def _stop_jobs(platform: Platform) -> None:
    jobs = ProcessJobs(platform.home / "jobs", {})
    for job in (platform.home / "jobs").glob("*"):
        jobs.stop(job.name)


@pytest.mark.parametrize("name", CHOSEN or names())
def test_a_case_lives_its_whole_life(name: str) -> None:
    case, model = load(name), f"my_{name}"
    with home_of(name) as home:
        models = home / "models"
        if not (models / model).exists():
            make(model, name, models, PACKAGE)
        with platform_of(home / "platform", models) as platform:
            environ = {**os.environ, **read_file(platform.home)}
            services, gateway = Services.from_env(environ), from_env("slipstream_gateway", environ)
            assert gateway is not None
            spec = load_spec(model, str(models))
            account = Life(case, spec, services, gateway.password, home).tell()
    print(f"{name}: {account.words()}")

    assert (account.tally.failed, account.tally.first_failure) == (0, "")
    assert account.first.state == "promoted"
    assert account.decision is not None
    assert account.second is not None
    assert account.second.state == "promoted"
    canaries = {f"canary_{share:g}" for share in spec.rollout.steps if share < 100}
    assert canaries
    assert canaries <= {stage.name for stage in account.second.stages}
    assert account.broken is not None
    assert account.broken.state == "rolled_back"
    assert account.retrained is not None
    assert account.champion == account.retrained.version
