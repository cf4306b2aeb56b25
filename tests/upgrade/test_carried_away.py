"""The installation that `test_upgrade.py` knows is carried to other machines and engines: SQLite to PostgreSQL, and back."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.backup.dump import rows
from include.backup.lines import write_lines
from include.backup.load import load
from include.cli.main import main
from include.core.control import ControlStore, metadata
from include.core.digest import PROJECT
from include.core.schema import HEAD
from include.core.schema.migrate import make_at
from include.features.online.catch_up import pending, recent
from include.governance.lineage import trace
from include.model_contract.definition import routed_pins
from include.monitoring.retraining.decision import history
from include.point_in_time.partition import results
from include.rollout.evidence_look import begin_stage, look
from include.rollout.history import live_rollout
from include.rollout.stage_evaluation import read_and_judge
from include.services.services import Services
from include.versions.queries import records
from tests.support.databases import new_database
from tests.support.evidence import publish
from tests.support.operator_runs import settle_in

MODEL = "shop"
CHANGED = ("slipstream_fences", "slipstream_audit", "slipstream_documents", "slipstream_schema")


@pytest.fixture
def upgraded(
    postgres: str, home: Path, old_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Services:
    del postgres  # it is started before a command sets the mask of this process
    monkeypatch.chdir(PROJECT)
    services = settle_in(home, monkeypatch, control_url=old_url, **dict.fromkeys(SERVERS, "http://127.0.0.1:1"))
    assert main(["upgrade"]) == 0
    capsys.readouterr()
    return services


SERVERS = ("gateway_url", "airflow_url", "mlflow_url", "ray_url")


def stored(control: ControlStore) -> dict[str, list[dict[str, Any]]]:
    with control.transaction() as connection:
        return {table.name: list(rows(connection, table)) for table in metadata.sorted_tables if table.name not in CHANGED}


def carried(
    before: Services, home: Path, url: str, backup: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Services, dict[str, Any]]:
    """The platform on another machine: its storage and its prediction log were copied, its control store is a new one."""
    assert main(["backup", "create", str(backup)]) == 0
    assert main(["backup", "verify", str(backup)]) == 0
    home.mkdir()
    for name in ("store", "predictions"):
        shutil.copytree(before.settings.home / name, home / name)
    services = settle_in(home, monkeypatch, control_url=url, **dict.fromkeys(SERVERS, "http://127.0.0.1:1"))
    capsys.readouterr()
    assert main(["backup", "restore", str(backup), "--take-over", "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return services, said


def test_carried_to_the_other_engine_and_back_it_is_what_it_was(
    postgres: str,
    upgraded: Services,
    expected: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = stored(upgraded.control)
    sqlite = upgraded.control.engine.dialect.name == "sqlite"
    urls = [f"sqlite:///{tmp_path}/carried-{n}.db" for n in (1, 2)]
    urls[0 if sqlite else 1] = new_database(postgres, f"c{abs(hash(str(tmp_path)))}")
    services = upgraded
    for number, url in enumerate(urls):
        services, said = carried(services, tmp_path / f"home-{number}", url, tmp_path / f"backup-{number}", monkeypatch, capsys)
        assert (said["audit_intact"], said["lacking"], said["schema"]) == (True, [], HEAD)
        assert said["rows"]["versions"] == len(before["slipstream_versions"])
        assert stored(services.control) == before, url
    assert services.control.engine.dialect.name == upgraded.control.engine.dialect.name

    control, spec = services.control, services.spec(MODEL)
    champion = services.champion(MODEL)
    assert champion is not None
    assert champion.version == 3
    assert {record.version: str(record.stage) for record in records(control, MODEL)}[4] == "Candidate"
    assert [each.key for each in history(control, MODEL)] == [each.key for each in history(upgraded.control, MODEL)]
    assert trace(services.ledger, control, MODEL).intact == trace(upgraded.ledger, upgraded.control, MODEL).intact
    _assert_rollout_goes_on(services, expected)
    _assert_online_is_caught_up(services, spec)


def _assert_rollout_goes_on(services: Services, expected: dict[str, Any]) -> None:
    """The same evidence, read on from the same place in the log, and the same verdict."""
    rollout = live_rollout(services.control, MODEL)
    assert rollout is not None
    told = expected["look"]
    at = datetime.fromisoformat(told["at"])
    begin_stage(services.control, services.spec(MODEL), rollout, "canary_50")  # it has begun
    look(services.control, rollout.id)  # what the release before had counted becomes a source
    publish(services.control, services.settings.home)
    verdict, _, evidence = read_and_judge(services.control, services.spec(MODEL), rollout, "canary_50", at)
    assert json.loads(json.dumps(evidence.to_json())) == told["evidence"]
    assert json.loads(json.dumps(verdict.to_json())) == told["verdict"]


def _assert_online_is_caught_up(services: Services, spec: Any) -> None:
    """The online store of this machine is empty: `features catch-up` sees that, whatever the records say, and fills it."""
    from include.features.online.materialize import materialize  # Feast: not while tests are collected

    control, ledger = services.control, services.ledger
    refs = recent(control, spec)
    made = results(ledger, {day.isoformat(): ref for day, ref in refs.items()})
    pins = routed_pins(control, ledger, MODEL)
    assert pending(control, spec, refs, made, pins, services.online_store) == sorted(refs)
    for day in sorted(refs):
        materialize(spec, made[day.isoformat()], ledger, services.settings)
    assert pending(control, spec, refs, made, pins, services.online_store) == []


def test_a_backup_of_an_older_schema_is_brought_up(empty_url: str, tmp_path: Path) -> None:
    """As the release before would have made it: tables of the first number, documents among the effects."""
    first = ControlStore(f"sqlite:///{tmp_path}/first.db")
    with first.transaction() as connection:
        make_at(connection, 1)
        tables = sa.MetaData()
        tables.reflect(connection)
        effects = tables.tables["slipstream_effects"]
        body = {"day": "2013-01-01", "v": 1}
        effect = {"key": "online/shop/x", "resource": "materialized/shop", "epoch": 0, "result": body, "at": "t"}
        connection.execute(effects.insert().values(**effect))
        files = {}
        for name, table in tables.tables.items():
            if name != "slipstream_schema":
                files[name] = tmp_path / f"{name}.gz"
                write_lines(files[name], rows(connection, table))
    target = ControlStore(empty_url)
    load(target, 1, files, lambda _: None)
    with target.transaction() as connection:
        assert connection.execute(sa.text("SELECT max(version_num) FROM slipstream_schema")).scalar_one() == f"{HEAD:04d}"
        kept = list(rows(connection, metadata.tables["slipstream_documents"]))
    assert [(row["key"], row["subject"], row["body"]) for row in kept] == [("online/shop/x", "shop", body)]
