"""The walk-forward table leaves no month out, whoever trained it first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.governance.backtest import folds
from include.governance.registry import register, resource
from include.versions.queries import records
from tests.support.toy_ledger import MODEL, Loop


def test_a_month_that_was_trained_by_hand_before_its_backfill_is_in_the_table(tmp_path: Path) -> None:
    loop = Loop.under(tmp_path)
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    epoch, registry = store.take(resource(MODEL), "t"), FolderRegistry(loop.ledger.storage)
    for days, run_type in ((3, "manual"), (2, "backfill"), (3, "backfill"), (4, "scheduled")):
        made = loop.package(days=days, run_type=run_type)
        register(store, registry, replace(made, entry=replace(made.entry, as_of=f"2013-0{days}-01T00:00:00")), epoch)
    found = folds(loop.ledger, records(store, MODEL))
    assert [(fold.as_of[:7], fold.version, fold.made_by) for fold in found] == [
        ("2013-02", 2, "backfill"),
        ("2013-03", 1, "manual"),  # the backfill found it trained
        ("2013-04", 3, "scheduled"),
    ]


def test_what_was_made_from_another_version_is_no_month_of_its_own(tmp_path: Path) -> None:
    loop = Loop.under(tmp_path)
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    package = loop.package()
    derived = replace(package, entry=replace(package.entry, origin="derived"))
    register(store, FolderRegistry(loop.ledger.storage), derived, store.take(resource(MODEL), "t"))
    assert folds(loop.ledger, records(store, MODEL)) == []
