"""A shop whose raw partitions and ledger lie in a temporary folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from include.core.ledger import Ledger
from include.core.settings import Settings
from tests.support import shop


@pytest.fixture
def empty_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> shop.Shop:
    monkeypatch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    return shop.Shop(Ledger(settings.storage()), settings)


@pytest.fixture
def week(empty_shop: shop.Shop) -> shop.Shop:
    empty_shop.land_days(8)
    return empty_shop


@pytest.fixture(scope="session")
def _features_of_a_week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("week")
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
        made = shop.Shop(Ledger(settings.storage()), settings)
        made.land_days(8)
        made.days(8)
    return home


@pytest.fixture
def taken_in(empty_shop: shop.Shop, tmp_path: Path, _features_of_a_week: Path) -> shop.Shop:
    """The week with its days' features in the ledger, for tests of what is made of them: a second of processor time less each."""
    shutil.copytree(_features_of_a_week, tmp_path, dirs_exist_ok=True)
    return empty_shop
