"""The audit chain in a file: whoever has it finds every change, without our stores."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import DataError, InputError
from include.core.storage import LocalStorage
from include.governance.audit_chain import verify
from include.governance.audit_export import export, verify_file
from include.governance.seals import write_seal
from tests.support.effort import effort
from tests.support.stores import empty_control

ROWS = 40
TRIALS = effort(60, 2_500)  # of each kind


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of an export of a chain with two seals, and rows after the second."""
    folder = tmp_path_factory.mktemp("chain")
    control, storage = empty_control(folder), LocalStorage(folder / "store")
    for number in range(ROWS):
        act(control, number)
        if number in (15, 30):
            write_seal(control, storage, actor="tests")
    assert verify(control, storage).intact
    path = folder / "audit.jsonl"
    rows = export(control, storage, path)
    told = verify_file(path)
    assert (told.intact, told.rows, told.seals, told.unsealed) == (True, rows, 2, rows - told.sealed)
    with pytest.raises(InputError, match="is there already"):
        export(control, storage, path)
    return path.read_text().splitlines()


def act(control: ControlStore, number: int) -> None:
    with control.transaction() as connection:
        control.append_audit(connection, f"person {number % 3}", "rollout.promote", f"model{number % 2}", {"number": number})


def rows_of(lines: list[str]) -> list[int]:
    """The places of the rows among the lines."""
    return [place for place, line in enumerate(lines) if '"row"' in line]


def first_found(lines: list[str], path: Path) -> str:
    """The first thing that is wrong, as a person is told it."""
    path.write_text("".join(f"{line}\n" for line in lines))
    try:
        verdict = verify_file(path)
    except DataError as error:
        return str(error)
    return f"{verdict.findings[0].id} {verdict.findings[0].what}" if verdict.findings else ""


def sequence(line: str) -> int:
    return int(json.loads(line)["row"]["seq"])


def test_a_row_that_was_edited_is_found_and_named(exported: list[str], tmp_path: Path) -> None:
    for trial in range(TRIALS):
        chance, lines = random.Random(trial), list(exported)
        place = chance.choice(rows_of(lines))
        body = json.loads(lines[place])
        field = chance.choice(["at", "actor", "action", "subject", "detail", "previous", "hash"])
        body["row"][field] = {"number": -1} if field == "detail" else f"{body['row'][field][:-1]}~"
        lines[place] = json.dumps(body)
        assert first_found(lines, tmp_path / "edited").startswith(f"row:{body['row']['seq']}/")


def test_rows_that_were_dropped_are_found_and_named(exported: list[str], tmp_path: Path) -> None:
    for trial in range(TRIALS):
        chance, lines = random.Random(trial), list(exported)
        places = rows_of(lines)
        first = chance.randrange(len(places))
        many = chance.randint(1, len(places) - first)
        gone = sequence(lines[places[first]])
        del lines[places[first] : places[first] + many]
        told = first_found(lines, tmp_path / "dropped")
        assert told, "nothing was found"
        if first + many < len(places):
            assert f"row {gone} is gone" in told or f"rows {gone} to {gone + many - 1} are gone" in told


def test_rows_in_another_order_are_found(exported: list[str], tmp_path: Path) -> None:
    for trial in range(TRIALS):
        chance, lines = random.Random(trial), list(exported)
        first, second = sorted(chance.sample(rows_of(lines), 2))
        came = sequence(lines[second])
        lines[first], lines[second] = lines[second], lines[first]
        assert first_found(lines, tmp_path / "moved").startswith(f"row:{came}/")


def test_a_byte_that_was_changed_anywhere_is_found(exported: list[str], tmp_path: Path) -> None:
    for trial in range(TRIALS):
        chance, lines = random.Random(trial), list(exported)
        place = chance.randrange(1, len(lines))  # the first line says when it was exported, which nothing vouches for
        at = chance.randrange(len(lines[place]))
        new = chance.choice("0aZ")
        lines[place] = f"{lines[place][:at]}{new}{lines[place][at + 1 :]}"
        if lines[place] != exported[place]:
            assert first_found(lines, tmp_path / "flipped")


@pytest.mark.parametrize("left", [0, 1, 2, 20])
def test_a_file_that_was_cut_off_is_none(exported: list[str], tmp_path: Path, left: int) -> None:
    assert "is no whole export of an audit chain" in first_found(exported[:left], tmp_path / "cut")


def test_a_seal_that_was_changed_or_taken_out_is_found(exported: list[str], tmp_path: Path) -> None:
    first, second = (place for place, line in enumerate(exported) if '"seal"' in line and '"data"' in line)
    assert "seal:1" in first_found([line for place, line in enumerate(exported) if place != first], tmp_path / "gone")
    assert "seal:2" in first_found([line for place, line in enumerate(exported) if place != second], tmp_path / "newest gone")
    lines = list(exported)
    lines[second] = lines[second].replace("tests", "other")
    assert "seal:2" in first_found(lines, tmp_path / "edited")
