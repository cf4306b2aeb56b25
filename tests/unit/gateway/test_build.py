"""The gateway as it is put together: over the stores of an installation, with what the stage serving needs of others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from include.core.settings import Settings
from include.gateway.build import build, sources, stores_of
from include.routing.reader import RouteReader
from include.services.services import Services
from include.serving.http.access import from_settings


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))


def test_a_gateway_of_an_installation_without_models_is_put_together(services: Services) -> None:
    gateway = build(services, from_settings("127.0.0.1", services.settings, None))
    assert gateway._parts.manager.deployments == {}
    assert gateway._parts.load_spec == services.spec


def test_the_metrics_page_is_reported_of_other_stages_by_functions(services: Services) -> None:
    gateway = build(services, from_settings("127.0.0.1", services.settings, None))
    found, spec = sources(gateway._parts.reader, services), services.spec("flight_delay")
    assert set(found) == {"features", "skew", "monitoring", "costs", "log", "agent"}
    assert [sample[0] for sample in found["monitoring"](spec)] == ["slipstream_retrains", "slipstream_retrain_budget"]
    assert [sample[0] for sample in found["skew"](spec)] == ["slipstream_skew_limit"]


def test_routes_are_read_from_the_control_store(services: Services) -> None:
    assert stores_of(services).read_routes() == RouteReader(services.control).read() == {}


@pytest.mark.lives
def test_the_stage_itself_imports_no_other() -> None:
    others = ("features", "monitoring", "rollout", "governance", "training", "validation", "evaluation", "scoring", "backends")
    code = (
        "import sys, include.serving.gateway, include.serving.shadow, include.serving.stores;"
        f"print([name for name in {others!r} if f'include.{{name}}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
