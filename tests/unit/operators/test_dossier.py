"""The dossier of a promotion: once a rollout, signed by the key that the task finds, and never in the promotion's way."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.errors import UnreachableError
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.governance.dossier.envelope import read
from include.governance.dossier.keys import rotate
from include.governance.dossier.verify import verify
from include.governance.registry import register, resource
from include.services.services import Services
from operators import dossier as module
from operators.alert import Alert
from operators.dossier import keep_dossier
from tests.support.toy_ledger import MODEL, SPEC, Loop

ROLLOUT: Any = SimpleNamespace(id="r1", model=MODEL, challenger=1)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    sent: list[Alert] = []
    monkeypatch.setattr(module, "send_alert", lambda alert, control: sent.append(alert))
    return sent


@pytest.fixture
def registered_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    loop, store = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    register(store, FolderRegistry(loop.ledger.storage), loop.package(), store.take(resource(MODEL), "t"))
    of(monkeypatch, "regulated")
    return Services(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)}))


def of(monkeypatch: pytest.MonkeyPatch, profile: str) -> None:
    fields = {name: getattr(SPEC, name) for name in SPEC.model_fields_set}
    spec = ModelSpec(**{**fields, "profile": profile})
    monkeypatch.setattr(Services, "spec", lambda self, name: spec)


def test_a_standard_model_gets_none(
    registered_version: Services, told: list[Alert], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    of(monkeypatch, "standard")
    assert keep_dossier(registered_version, ROLLOUT, "ada") is None
    assert not (tmp_path / "store" / "dossiers").exists()


def test_one_is_kept_for_each_rollout_and_verifies(registered_version: Services, told: list[Alert], tmp_path: Path) -> None:
    key = rotate(tmp_path, {})
    first, second = (keep_dossier(registered_version, ROLLOUT, "ada") for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.path, first.signed, first.new, second.new) == (second.path, True, True, False)
    (path,) = (tmp_path / "store" / "dossiers" / MODEL).iterdir()
    dossier = read(path.read_bytes())
    assert verify(dossier, [key.public], files=tmp_path / "store").found == ()
    assert (dossier.body["profile"], dossier.body["made_by"], dossier.body["missing"]) == ("regulated", "ada", {})
    assert told == []


def test_without_a_key_it_is_kept_unsigned_and_somebody_is_told(
    registered_version: Services, told: list[Alert], tmp_path: Path
) -> None:
    kept = keep_dossier(registered_version, ROLLOUT, "ada")
    assert kept is not None
    assert json.loads((tmp_path / "store" / kept.path).read_bytes())["signature"] is None
    assert [(alert.event, alert.severity) for alert in told] == [("dossier_unsigned", "ticket")]


def test_what_keeps_it_from_being_made_is_told_and_stops_nothing(
    registered_version: Services, told: list[Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise UnreachableError("the storage is away")

    monkeypatch.setattr("include.overview.dossier.keep.gather", away)
    assert keep_dossier(registered_version, ROLLOUT, "ada") is None
    assert [alert.event for alert in told] == ["dossier_missing"]
    assert "the storage is away" in told[0].text
