"""A platform with versions, days, a live rollout in mid-stage, a decision, a seal and a token; and machines to carry it to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from include.backends.folder.registry import FolderRegistry
from include.backup.create import Made, create
from include.backup.manifest import read
from include.backup.restore import Restored, Wanted, restore
from include.core.control import ControlStore, decisions, documents
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.core.time import timestamp
from include.data.published import publish, resource
from include.governance.registry import register
from include.governance.registry import resource as registrations
from include.governance.seals import write_seal
from include.rollout.evidence_accumulator import EvidenceAccumulator
from include.rollout.evidence_look import begin_stage
from include.rollout.evidence_store import Published, Source, write_source
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.routing.route import Route, set_route
from include.serving.http.tokens import digest, named, write_file
from include.versions.record import Stage
from tests.support.toy_ledger import MODEL, SPEC, Loop
from tests.support.versions import move

GATEWAY = Source("0123456789abcdef", "0123456789abcdef")
SECRETS = {
    "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": "http://admin:planted-mlflow@127.0.0.1:1",
    "AIRFLOW_CONN_SLIPSTREAM_ENTITIES": "http://:planted-entities@127.0.0.1",
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://key:planted-aws@/",
    "SLIPSTREAM_ONLINE_URL": "redis://:planted-redis@127.0.0.1:1/0",
}


@dataclass
class Machine:
    """A home, a control store and a storage root."""

    settings: Settings
    control: ControlStore

    @classmethod
    def at(cls, home: Path, url: str = "") -> Machine:
        home.mkdir(exist_ok=True)
        given = {"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_MODELS": "tests.unit.operators.models", **SECRETS}
        settings = Settings.from_env({**given, **({"SLIPSTREAM_CONTROL_URL": url} if url else {})})
        return cls(settings, ControlStore(settings.control_url))

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.storage())

    @property
    def root(self) -> Path:
        return Path(self.settings.root)

    def back_up(self, to: Path, *, with_data: bool = False) -> Made:
        return create(
            self.settings, self.control, self.settings.storage(), LocalStorage(to), with_data=with_data, release="1.2.3"
        )

    def restored(self, source: Path, scratch: Path, **wanted: bool) -> Restored:
        scratch.mkdir(exist_ok=True)
        backup = LocalStorage(source)
        how = Wanted("tests", **wanted)
        return restore(self.settings, self.control, self.settings.storage(), backup, read(backup), scratch, how)


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("lived") / "home"
    home.mkdir()
    loop, machine = Loop.under(home), Machine.at(home)
    control, storage = machine.control, machine.settings.storage()
    control.create_tables()
    epoch = control.take(registrations(MODEL), "t")
    for days, stage in ((2, Stage.PRODUCTION), (3, Stage.CANDIDATE)):
        version = register(control, FolderRegistry(storage), loop.package(days=days), epoch).version
        if stage is Stage.PRODUCTION:
            move(control, MODEL, version, stage, "t")
            with control.transaction() as connection:
                set_route(connection, MODEL, Route(champion=version))
    for day in (date(2013, 1, 1), date(2013, 1, 2)):
        publish(control, MODEL, day, loop.day(day), {"labels": 3}, control.take(resource(MODEL, day), "t"))
    epoch = control.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(control, SPEC, 2, request=f"{MODEL}_rollout/manual__1/open/-1", actor="t", epoch=epoch)
    for before, name in (("", "smoke"), ("smoke", rollout.stages[1].name)):
        if before:
            record_verdict(control, rollout, before, {"answer": "promote", "reasons": []}, epoch)
        enter_stage(control, rollout, name, epoch)
    begin_stage(control, SPEC, rollout, rollout.stages[1].name)
    counted = Published(accumulator=EvidenceAccumulator(cursor={"segment.jsonl": 4711}))
    with control.transaction() as connection:
        assert write_source(connection, rollout.id, GATEWAY, counted)
    with control.transaction() as connection:
        row = {"key": "d1", "model": MODEL, "as_of": "2013-01-08", "action": "retrain", "reasons": ["floor"], "at": timestamp()}
        connection.execute(decisions.insert().values(**row, evidence={"cooldown": 1.5e-300, "who": "Zoë \u2028 \ud83d\ude00"}))
        connection.execute(documents.insert().values(key="n", kind="note", subject="x", body={"v": 7, "list": [None]}, at="now"))
    write_seal(control, storage, actor="t")
    token = named("web", digest(b"planted-token"), ["toy"], ["predict"], None)
    write_file(home / "gateway-tokens.json", [token])
    return home


@pytest.fixture
def machine(lived: Path, tmp_path: Path) -> Machine:
    shutil.copytree(lived, tmp_path / "home")
    return Machine.at(tmp_path / "home")


@pytest.fixture
def other(tmp_path: Path, machine: Machine) -> Machine:
    """Another machine, to which the storage was copied, and nothing else."""
    there = Machine.at(tmp_path / "elsewhere")
    shutil.copytree(machine.root, there.root)
    return there
