"""Each case of examples/ through its whole life: `make e2e CASE=eta`. See case_life.py for what happens.

With CASE_HOME=/some/folder everything is kept there, and a life that was interrupted goes on where it was.
"""

from __future__ import annotations

import os

import pytest

from include.authoring.new import make
from include.core.catalog import load_spec
from include.core.connection import from_env
from include.core.places import PACKAGE
from include.local.connections import read_file
from include.services.services import Services
from tests.e2e.case_home import home_of, platform_of
from tests.e2e.case_life import Life
from tests.e2e.cases import load, names

pytestmark = pytest.mark.e2e
CHOSEN = os.environ.get("CASE", "").split()


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
