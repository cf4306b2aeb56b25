"""A shop whose raw partitions and ledger lie in a temporary folder."""

from __future__ import annotations

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
