"""Dossiers that are kept are handed out as they were made, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.errors import DataError, IntegrityError
from include.core.settings import Settings
from include.governance.dossier.envelope import read, seal, text_of
from include.governance.dossier.keys import rotate
from include.governance.registry import register, resource
from include.overview.dossier.keep import keep
from include.overview.dossier.shelf import shelf, take_down
from include.services.services import Services
from tests.support.toy_ledger import MODEL, Loop


@pytest.fixture
def services(tmp_path: Path) -> Services:
    loop, store = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    for days in (2, 3):
        register(store, FolderRegistry(loop.ledger.storage), loop.package(days=days), store.take(resource(MODEL), "t"))
    return Services(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_MODELS": "include.models"}))


def test_the_newest_of_a_version_comes_first_and_each_is_handed_out_as_it_was_made(services: Services, tmp_path: Path) -> None:
    assert shelf(services.control, MODEL) == {}
    key = rotate(tmp_path, {})
    first = keep(services, MODEL, 1, "r1", key, "ada", asked="f" * 64)
    promoted = keep(services, MODEL, 1, "r1", key, "ada")
    assert not keep(services, MODEL, 1, "r1", key, "ada", asked="f" * 64).new
    keep(services, MODEL, 2, "r2", None, "ada")
    held = shelf(services.control, MODEL)
    assert [each.path for each in held[1]] == [promoted.path, first.path]
    assert [each.signed for each in (*held[1], *held[2])] == [True, True, False]
    newest = take_down(services.control, services.storage, MODEL, 1)
    assert newest == services.storage.read(promoted.path)
    assert take_down(services.control, services.storage, MODEL, 1, held[1][1].digest) == services.storage.read(first.path)
    assert read(take_down(services.control, services.storage, MODEL, 2)).signature is None


def test_a_version_that_has_none_or_is_none_or_whose_file_is_gone_says_what_makes_one(services: Services) -> None:
    with pytest.raises(DataError, match=f"No dossier of {MODEL} version 1 is kept") as none:
        take_down(services.control, services.storage, MODEL, 1)
    assert f"slipstream dossier {MODEL} 1 --keep" in str(none.value.hint)
    with pytest.raises(DataError, match="There is no version 9"):
        take_down(services.control, services.storage, MODEL, 9)
    kept = keep(services, MODEL, 1, "r1", None, "ada")
    with pytest.raises(DataError, match="No dossier 0000000000000000"):
        take_down(services.control, services.storage, MODEL, 1, "0" * 16)
    services.storage.delete(kept.path)
    with pytest.raises(DataError, match="is kept here"):
        take_down(services.control, services.storage, MODEL, 1)


def test_what_was_changed_or_exchanged_or_signed_by_another_is_handed_out_to_nobody(services: Services, tmp_path: Path) -> None:
    key = rotate(tmp_path, {})
    signed, other = keep(services, MODEL, 1, "r1", key, "ada"), keep(services, MODEL, 2, "r2", key, "ada")
    data = services.storage.read(signed.path)

    def lies_there(bytes_: bytes) -> str:
        services.storage.write(signed.path, bytes_)
        with pytest.raises(IntegrityError) as refused:
            take_down(services.control, services.storage, MODEL, 1)
        return str(refused.value)

    assert "changed after it was made" in lies_there(data.replace(b'"ada"', b'"bob"', 1))
    assert "of another version" in lies_there(services.storage.read(other.path))
    body = {name: value for name, value in read(data).body.items() if name != "signed_by"}
    assert "none of those that were named" in lies_there(seal(body, rotate(tmp_path / "elsewhere", {})))
    assert "its signature is gone" in lies_there(text_of({**json.loads(data), "signature": None}))
    services.storage.write(signed.path, data)
    assert take_down(services.control, services.storage, MODEL, 1) == data
