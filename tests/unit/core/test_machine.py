"""A gateway's number: made once, kept, and another one where the home is another machine's."""

from __future__ import annotations

import os
import re
from multiprocessing import get_context
from pathlib import Path

import pytest

from include.core import machine
from include.core.machine import FILE, first_id, gateway_id


def test_it_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    made = gateway_id(tmp_path / "home")
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert gateway_id(tmp_path / "home") == made == first_id(tmp_path / "home")
    assert (tmp_path / "home" / FILE).stat().st_mode & 0o777 == 0o600
    assert gateway_id(tmp_path / "other") != made


def test_a_home_on_another_machine_has_another_number_and_knows_its_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = gateway_id(tmp_path)
    monkeypatch.setattr(machine, "this_machine", lambda: "0" * 16)
    there = gateway_id(tmp_path)
    assert there != here
    assert gateway_id(tmp_path) == there
    assert first_id(tmp_path) == here


@pytest.mark.parametrize("text", ["", "abc", "zz" * 8 + "\n" + "0" * 16 + "\n" + "0" * 16, "\n\n"])
def test_a_file_that_is_none_of_ours_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    made = gateway_id(tmp_path)
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert gateway_id(tmp_path) == made


def _tell(home: Path, told: int) -> None:
    os.write(told, gateway_id(home).encode())


def test_processes_that_begin_at_once_agree(tmp_path: Path) -> None:
    fork, (read, write) = get_context("fork"), os.pipe()
    started = [fork.Process(target=_tell, args=(tmp_path, write)) for _ in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join(30)
    told = os.read(read, 1000).decode()
    assert {told[at : at + 16] for at in range(0, len(told), 16)} == {gateway_id(tmp_path)}
    assert len(told) == 64
