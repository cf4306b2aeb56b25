"""Registering: one version a trained result, an event only for what may be rolled out."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from airflow.sdk import Context

from include.core.control import audit
from include.core.digest import PROJECT
from include.core.errors import FencedError
from include.core.repository import Commits, commit_of
from include.core.request import Ref
from include.costs.kept import kept
from include.governance.registry import register
from include.rollout.machine import open_rollout
from include.rollout.restore import restore
from include.versions import queries as versions
from include.versions.lifecycle import set_production
from include.versions.record import Stage
from include.versions.trainer import trainer_in
from operators.commits import commits_at
from tests.support.error_message import assert_says
from tests.support.nursery import Nursery
from tests.support.operator_runs import MODEL, Life, Run
from tests.support.versions import move
from tests.support.wired import RegisterModelOperator

CLOSED = {"passed": False, "reasons": ["auc 0.51 is below the floor 0.55 (evaluation.minimum)"]}


@pytest.fixture
def published(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Its first days are published, and trained on: a training run finds each result."""
    return nursery.life("trained", monkeypatch)


def register_in(run: Run) -> dict[str, Any]:
    value: dict[str, Any] = run(RegisterModelOperator(task_id="register", model=MODEL))
    return value


def known(life: Life) -> list[tuple[int, str, str]]:
    return [(one.version, one.semver, str(one.stage)) for one in versions.records(life.services.control, MODEL)]


def trained(life: Life, **changes: Any) -> Run:
    return life.trained(Run(**changes))


def closed(life: Life, run: Run) -> Run:
    """The same training run, had its evaluation closed the gate."""
    made = life.result(run.xcom["evaluate"])
    run.xcom["evaluate"] = life.commit(
        "evaluate", {**made.value, "gate": CLOSED}, {"report.html": life.path(made, "report.html")}
    )
    return run


def test_an_open_gate_makes_a_candidate_and_one_event_with_its_version(published: Life) -> None:
    run = trained(published)
    assert register_in(run) == {"version": 1, "semver": "1.0.0", "stage": "Candidate"}
    assert run.sent == [("shop_candidate", {"version": 1, "as_of": "2013-01-05T00:00:00"})]


def test_registering_again_gives_the_same_version(registered: Life, nursery: Nursery) -> None:
    again, other = nursery.run(), nursery.run()
    other.run_id = "manual__2"
    assert register_in(again) == register_in(other) == nursery.run().xcom["register"]
    assert known(registered) == [(1, "1.0.0", "Candidate")]
    assert len(again.sent) == 1  # the event comes again; the rollout knows that the version had its turn


def test_runs_that_register_one_result_at_once_make_one_version(published: Life) -> None:
    runs = [trained(published)]
    runs += [Run(xcom=dict(runs[0].xcom), run_id=f"manual__{n}") for n in (2, 3)]

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(register_in, runs))
    assert [one["version"] for one in made] == [1, 1, 1]
    assert known(published) == [(1, "1.0.0", "Candidate")]
    assert len([path for path in published.services.storage.list("registry") if path.endswith("package.json")]) == 1


def test_a_closed_gate_registers_for_the_record_and_sends_nothing(published: Life) -> None:
    run = closed(published, trained(published))
    assert register_in(run)["stage"] == "Staging"
    assert run.sent == []
    record = versions.records(published.services.control, MODEL)[0]
    assert list(record.entry.gate.reasons) == CLOSED["reasons"]


def test_a_gate_that_was_widened_makes_the_same_version_a_candidate_and_sends_it(published: Life) -> None:
    run = trained(published)
    opened = run.xcom["evaluate"]
    assert register_in(closed(published, run))["stage"] == "Staging"
    again = Run(xcom={**run.xcom, "evaluate": opened})
    assert register_in(again) == {"version": 1, "semver": "1.0.0", "stage": "Candidate"}
    assert again.sent == [("shop_candidate", {"version": 1, "as_of": "2013-01-05T00:00:00"})]
    record = versions.records(published.services.control, MODEL)[0]
    assert record.entry.gate.passed
    assert record.entry.lineage.evaluation.to_json() == opened


def test_a_gate_that_was_narrowed_takes_a_waiting_version_back_and_sends_nothing(published: Life) -> None:
    run = trained(published)
    assert register_in(run)["stage"] == "Candidate"
    again = closed(published, Run(xcom=dict(run.xcom)))
    assert register_in(again)["stage"] == "Staging"
    assert again.sent == []
    assert register_in(Run(xcom=dict(run.xcom)))["stage"] == "Candidate"  # and the wider one stands again


@pytest.mark.parametrize("stage", [Stage.PRODUCTION, Stage.ARCHIVED])
def test_a_version_that_had_its_turn_keeps_its_stage_whatever_a_later_evaluation_says(published: Life, stage: Stage) -> None:
    run = trained(published)
    register_in(run)
    move(published.services.control, MODEL, 1, stage, actor="test")
    again = closed(published, Run(xcom=dict(run.xcom)))
    assert register_in(again)["stage"] == str(stage)
    assert again.sent == []
    assert not versions.records(published.services.control, MODEL)[0].entry.gate.passed  # whoever offers it again is told


def test_an_offered_version_whose_new_evaluation_closes_goes_back_to_where_it_was_offered_from(published: Life) -> None:
    run, services = trained(published), published.services
    register_in(run)
    for stage in (Stage.PRODUCTION, Stage.ARCHIVED):
        move(services.control, MODEL, 1, stage, actor="test")
    restore(services.control, services.ledger, MODEL, 1, actor="ada", reason="again")
    assert register_in(closed(published, Run(xcom=dict(run.xcom))))["stage"] == "Archived"
    with services.control.transaction() as connection:
        set_production(connection, MODEL, 1)  # a rollback may return to it, whatever its evaluation says


def test_a_version_that_a_person_offered_despite_its_gate_stays_so_when_register_is_cleared(published: Life) -> None:
    run, services = closed(published, trained(published)), published.services
    assert register_in(run)["stage"] == "Staging"
    restore(services.control, services.ledger, MODEL, 1, actor="ada", reason="the limit was wrong", despite_gate=True)
    assert register_in(Run(xcom=dict(run.xcom)))["stage"] == "Candidate"


def test_a_backfill_changes_no_stage_of_a_version_that_is_there(published: Life) -> None:
    run = trained(published)
    register_in(run)
    assert register_in(Run(xcom=dict(run.xcom), run_type="backfill"))["stage"] == "Candidate"


def test_a_backfill_registers_and_never_deploys(published: Life) -> None:
    run = trained(published, run_type="backfill")
    assert register_in(run)["stage"] == "Staging"
    assert run.sent == []


def test_a_backfill_that_may_deploy_registers_a_candidate_whose_event_is_obeyed(published: Life) -> None:
    run = trained(published, run_type="backfill", conf={"deploy": True})
    assert register_in(run)["stage"] == "Candidate"
    assert [name for name, _ in run.sent] == ["shop_candidate"]
    services = published.services
    epoch = services.control.take("rollout/shop", "t")
    assert open_rollout(services.control, services.spec(MODEL), 1, request="r", actor="t", epoch=epoch).live


def test_a_late_attempt_registers_nothing(published: Life) -> None:
    from include.governance.registration import Inputs, propose

    run, services = trained(published), published.services
    inputs = Inputs(*(Ref.from_json(run.xcom[task]) for task in ("train", "build_training_set", "evaluate")))
    package = propose(services.ledger, services.spec(MODEL), inputs, as_of="2013-01-05T00:00:00")
    late = services.control.take("registry/shop", "the late one")
    services.control.take("registry/shop", "the newer one")
    with pytest.raises(FencedError) as refused:
        register(services.control, services.registry(), package, late)
    assert_says(refused.value, "registry/shop was taken over by the newer one")
    assert known(published) == []


def test_the_version_tells_what_it_was_made_of(registered: Life, nursery: Nursery) -> None:
    lineage = versions.records(registered.services.control, MODEL)[0].entry.lineage
    xcom = nursery.run().xcom
    assert lineage.train.to_json() == xcom["train"]
    assert lineage.training_set.to_json() == xcom["build_training_set"]
    assert lineage.evaluation.to_json() == xcom["evaluate"]
    assert all([lineage.schema, lineage.code, lineage.params])


def test_its_report_and_its_place_in_the_registry_are_linked(registered: Life, nursery: Nursery) -> None:
    operator = RegisterModelOperator(task_id="register", model=MODEL)
    nursery.run()(operator)
    assert operator.links["Report"].startswith("/slipstream/files/ledger/evaluate/")
    assert operator.links["MLflow run"].endswith("registry/shop/versions/1")


def test_the_commits_of_a_version_are_its_models_repositorys_and_the_platforms(tmp_path: Path) -> None:
    models = tmp_path / "bundle" / "models"
    (models / "ant").mkdir(parents=True)
    (models / "ant" / "spec.py").touch()
    places = f"tests.unit.operators.models:{models}"

    def commits(model: str, **bundle: object) -> Commits:
        ti = SimpleNamespace(bundle_instance=SimpleNamespace(**bundle)) if bundle else SimpleNamespace()
        return commits_at(cast("Context", {"ti": ti}), model, places)

    here = commit_of(PROJECT)
    assert commits(MODEL) == commits(MODEL, version=None, path=tmp_path) == Commits(here, here)
    assert commits(MODEL, version="b1", path=tmp_path) == Commits("b1", "b1")  # the platform's own bundle
    assert commits("ant") == commits("ant", version="b1", path=PROJECT) == Commits("", here)  # its folder is in no repository
    assert commits("ant", version="b1", path=tmp_path / "bundle") == Commits("b1", here)  # a bundle of the model's repository


def test_what_a_version_has_cost_is_kept_with_it_once(registered: Life) -> None:
    services = registered.services
    found = kept(services.control, MODEL)
    (version,) = found
    steps = {each.step for each in found[version].spent}
    assert {"training_set", "train", "evaluate"} <= steps
    assert found[version].seconds[1] == 0  # each attempt was timed
    assert all(each.cpu_hours is not None for each in found[version].spent if each.step != "train")
    (record,) = versions.records(services.control, MODEL)
    assert not services.keep_cost(record, found[version])


def test_a_setting_that_is_no_price_stops_no_registration(published: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(published)
    monkeypatch.setenv("SLIPSTREAM_COST_CPU_HOUR", "cheap")
    assert register_in(run)["version"] == 1
    assert kept(published.services.control, MODEL) == {}


def test_both_commits_are_in_the_registry_and_in_the_audit_chain(registered: Life) -> None:
    (record,) = versions.records(registered.services.control, MODEL)
    stored = registered.services.storage.read(f"registry/{MODEL}/versions/1/package.json")
    tags = json.loads(stored)["tags"]
    assert tags["slipstream.commit"] == tags["slipstream.platform_commit"] == record.entry.lineage.commit
    with registered.services.control.transaction() as connection:
        (detail,) = connection.scalars(sa.select(audit.c.detail).where(audit.c.action == "register")).all()
    assert (detail["commit"], detail["platform_commit"]) == (record.entry.lineage.commit, record.entry.lineage.commit)


def test_the_version_remembers_who_asked_for_its_training(published: Life) -> None:
    run = trained(published, user="ann")
    version = register_in(run)["version"]
    assert trainer(published, version) == "ann"
    again = trained(published, user="bob", run_id="manual__2")
    assert register_in(again)["version"] == version  # the same result: it stays whose it was
    assert trainer(published, version) == "ann"


def trainer(life: Life, version: int) -> str | None:
    with life.services.control.transaction() as connection:
        return trainer_in(connection, MODEL, version)
