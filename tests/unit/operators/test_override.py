"""The rollout DAG's parameter `override`: a version whose gate is closed is rolled out for a person's reason."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.control import versions
from include.core.errors import DataError, GateClosed
from include.governance.audit import history
from include.rollout.history import live_rollout
from include.routing.route import Route, set_route
from include.services.services import Services
from operators.rollout import OpenRolloutOperator
from operators.run import ACTOR, person
from tests.support.operator_runs import MODEL, Run, settle_in
from tests.support.versions import add_candidates


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Version 1 serves; the gate of version 3 is closed."""
    services = settle_in(tmp_path, monkeypatch)
    with services.control.transaction() as connection:
        add_candidates(connection, MODEL, 1, 3)
        set_route(connection, MODEL, Route(champion=1))
    record = {"gate": {"passed": False, "reasons": ["auc fell"]}}
    with services.control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 3).values(record=record, stage="Staging"))
    return services


def test_a_run_by_hand_rolls_out_a_refused_version_for_a_reason_and_its_retry_is_the_same(services: Services) -> None:
    with pytest.raises(GateClosed, match="auc fell"):
        Run({"version": 3}, run_id="plain")(OpenRolloutOperator(task_id="open", model=MODEL))
    for _ in range(2):  # a retry, or a clear
        run = Run({"version": 3, "override": " the holdout was a strike week "}, run_id="by hand")
        made = run(OpenRolloutOperator(task_id="open", model=MODEL))
    assert made["version"] == 3
    told = [row for row in history(services.control, MODEL) if row.action == "rollout.restore"]
    assert len(told) == 1
    detail: Any = told[0].detail
    assert detail["reason"] == "the holdout was a strike week"
    assert detail["despite"] == ["its gate is closed: auc fell"]


@pytest.mark.parametrize(
    ("params", "kind", "words"),
    [
        ({"version": 3, "override": "  "}, "manual", "needs a reason"),
        ({"override": "because"}, "manual", "An override is of one version, and of a person"),
        ({"version": 3, "override": "because"}, "operator_triggered", "An override is of one version, and of a person"),
    ],
)
def test_an_override_without_a_reason_a_version_or_a_person_opens_nothing(
    services: Services, params: dict[str, Any], kind: str, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        Run(params, run_type=kind)(OpenRolloutOperator(task_id="open", model=MODEL))
    assert live_rollout(services.control, MODEL) is None


def test_the_audit_names_the_user_who_started_the_run() -> None:
    context: Any = Run().context("open")
    assert person(context).startswith("shop_dag/manual__1/open/")
    context["dag_run"] = SimpleNamespace(run_type="manual", conf={}, triggering_user_name="ann")
    assert person(context).startswith("ann: shop_dag/manual__1/open/")
    context["dag_run"] = SimpleNamespace(run_type="scheduled", conf={}, triggering_user_name="ann")
    assert not person(context).startswith("ann")
    context["dag_run"] = SimpleNamespace(run_type="manual", conf={}, triggering_user_name="x" * 300)
    assert len(person(context)) == ACTOR
