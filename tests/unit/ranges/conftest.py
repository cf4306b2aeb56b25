from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.operator_runs import Life, settle_in


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    """The shop's life, nothing landed yet."""
    return Life(settle_in(tmp_path, monkeypatch))
