"""Each case of examples/ through its whole life: `make e2e CASE=eta`. See case_life.py for what happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.authoring.new import make
from include.core.catalog import load_spec
from include.core.connection import from_env
from include.core.digest import PROJECT
from include.local.connections import read_file
from include.services.services import Services
from tests.e2e.case_life import Life, made_of
from tests.e2e.cases import load, names
from tests.support.airflow_world import airflow_world

pytestmark = pytest.mark.e2e
CHOSEN = os.environ.get("CASE", "").split()


@pytest.mark.parametrize("name", CHOSEN or names())
def test_a_case_lives_its_whole_life(name: str, tmp_path: Path) -> None:
    case, models = load(name), tmp_path / "models"
    model = make(f"my_{name}", name, models, str(models)).name
    environment = {"SLIPSTREAM_DAGS": str(PROJECT / "dags"), "SLIPSTREAM_MODELS": str(models), "SLIPSTREAM_WARM": "1"}
    with airflow_world(("gateway",), dag_ids=(), **environment) as world:
        environ = {**os.environ, **read_file(world.platform.home)}
        services, gateway = Services.from_env(environ), from_env("slipstream_gateway", environ)
        assert gateway is not None
        home = tmp_path / "life"
        home.mkdir()
        account = Life(case, load_spec(model, str(models)), services, gateway.password, home).tell()
    print(made_of(case, account))

    assert (account.tally.failed, account.tally.first_failure) == (0, "")
    assert account.first is not None
    assert account.first.state == "promoted"
    assert account.decision is not None
    assert account.decision.action == "retrain"
    assert account.second is not None
    assert account.second.state == "promoted"
    assert {"canary_5", "canary_20"} <= {stage.name for stage in account.second.stages}
    assert account.broken is not None
    assert account.broken.state == "rolled_back"
    assert account.retrained is not None
    assert account.champion == account.retrained.version
