"""Ten thousand random edits, drops and reorderings of the audit chain: each is found, and the first bad row is named.

`make test` takes a sample of each kind; `make thorough` has them all.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, audit, audit_hash
from include.core.digest import canonical_json
from include.core.storage import LocalStorage
from include.governance.anchors import Anchor, Anchored, head
from include.governance.audit_chain import Verdict, judge, verify
from include.governance.audit_walk import FIRST
from include.governance.seals import Stored, read_seals, write_seal
from tests.support.effort import effort
from tests.support.stores import empty_control

ROWS = 40
AFTER = (12, 27)  # acts after which the chain is sealed, which is a row each
ANCHORED = (5, 13, 20, 34, 42)  # rows that an anchor names; the newest one is. The seals are of 12 and 28
WHOLE = 1_000
TRIALS = effort(25, WHOLE)  # of each of the kinds below
Rows = list[dict[str, Any]]
FIELDS = ("at", "actor", "action", "subject", "detail", "previous", "hash")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, list[Stored], Anchored]:
    """Forty rows and the two that name seals, as they were written."""
    folder = tmp_path_factory.mktemp("chain")
    control, storage = empty_control(folder), LocalStorage(folder / "store")
    anchors: list[Anchor] = []
    for number in range(1, ROWS + 1):
        add(control, number)
        if number in AFTER:
            write_seal(control, storage, actor="tests")
        now = head(control)
        assert now is not None
        anchors += [now] if now.seq in ANCHORED else []
    assert [each.seq for each in anchors] == [*ANCHORED]
    with control.transaction() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(audit).order_by(audit.c.seq)).mappings()]
    stored, anchored = read_seals(storage), Anchored({"here": anchors})
    assert judge(rows, stored, anchored=anchored).intact
    return rows, stored, anchored


def add(control: ControlStore, number: int) -> None:
    with control.transaction() as connection:
        detail = {"number": number, "reason": "ü", "share": 0.25, "ok": True, "none": None, "list": [1, "1"]}
        control.append_audit(connection, f"person {number % 3}", "rollout.promote", f"model{number % 2}", detail)


def again(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "hash": audit_hash(row)}


def numbered(rows: Rows) -> Rows:
    return [{**row, "seq": seq} for seq, row in enumerate(rows, start=1)]


def other(chance: random.Random, row: dict[str, Any], field: str) -> Any:
    """Another value of a column, which is as like as can be."""
    if field == "detail":
        detail = json.loads(json.dumps(row["detail"]))
        name = chance.choice(sorted(detail))
        how = chance.randrange(4)
        detail[name if how else "more"] = (0, "1", 1.0, True)[how]
        return detail if canonical_json(detail) != canonical_json(row["detail"]) else {}
    text = row[field]
    at = chance.randrange(len(text))
    return f"{text[:at]}{'~' if chance.random() < 0.5 else ''}{text[at + 1 :]}"


Attack = Callable[[random.Random, Rows], tuple[Rows, int]]
"""What is done to the rows, and the first bad row that must be named."""


def edited(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    place = chance.randrange(len(rows))
    field = chance.choice(FIELDS)
    rows[place] = {**rows[place], field: other(chance, rows[place], field)}
    return rows, place + 1


def edited_with_a_fresh_hash(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    place = chance.randrange(len(rows) - 1)  # the last one: see `written_anew`
    field = chance.choice(("at", "actor", "action", "subject", "detail"))
    rows[place] = again({**rows[place], field: other(chance, rows[place], field)})
    return rows, place + 1


def two_neighbours_edited_with_fresh_hashes(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    place = chance.randrange(len(rows) - 2)
    for each in (place, place + 1):
        rows[each] = again({**rows[each], "actor": "eve"})
    return rows, place + 1


def dropped(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    place = chance.randrange(len(rows) - 1)
    many = chance.randint(1, len(rows) - 1 - place)
    return rows[:place] + rows[place + many :], place + 1


def dropped_and_numbered_anew(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    place = chance.randrange(len(rows) - 1)
    many = chance.randint(1, len(rows) - 1 - place)
    return numbered(rows[:place] + rows[place + many :]), max(place, 1)


def cut_off(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    left = chance.randrange(len(rows))
    return rows[:left], left + 1


def swapped_neighbours(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    place = chance.randrange(len(rows) - 1)
    rows[place], rows[place + 1] = rows[place + 1], rows[place]
    return numbered(rows), place + 1


def swapped(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    first, second = sorted(chance.sample(range(len(rows)), 2))
    rows[first], rows[second] = rows[second], rows[first]
    return numbered(rows), first + 1


def shuffled(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    """A part of the rows in any order; as lines of a file, which keep their numbers."""
    first = chance.randrange(len(rows) - 2)
    part = rows[first : first + chance.randint(2, 8)]
    mixed = part[:]
    while mixed == part:
        chance.shuffle(mixed)
    out = rows[:first] + mixed + rows[first + len(part) :]
    return out, next(place for place, (new, old) in enumerate(zip(out, rows, strict=True), start=1) if new != old)


def put_in_twice(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    """A row once more, behind itself or later; as lines of a file."""
    place = chance.randrange(len(rows))
    behind = chance.randrange(place, len(rows))
    return [*rows[: behind + 1], rows[place], *rows[behind + 1 :]], behind + 2


def forged_and_put_in(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    place = chance.randrange(len(rows))
    before = rows[place - 1]["hash"] if place else FIRST
    forged = again({**rows[place], "actor": "eve", "previous": before})
    return numbered([*rows[:place], forged, *rows[place:]]), place + 1


def written_anew(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    """From a row on with fresh hashes: only the anchors know. The first bad row is after the newest that they know."""
    place = chance.randrange(len(rows))
    rows[place] = {**rows[place], "actor": "eve"}
    before = rows[place]["previous"]
    for each in range(place, len(rows)):
        rows[each] = again({**rows[each], "previous": before})
        before = rows[each]["hash"]
    return rows, max((seq for seq in ANCHORED if seq <= place), default=0) + 1


def cut_off_and_grown_again(chance: random.Random, rows: Rows) -> tuple[Rows, int]:
    left = chance.randrange(len(rows))
    before = rows[left - 1]["hash"] if left else FIRST
    for each in range(left, len(rows)):
        rows[each] = again({**rows[each], "actor": "eve", "previous": before})
        before = rows[each]["hash"]
    return rows, max((seq for seq in ANCHORED if seq <= left), default=0) + 1


ATTACKS: list[Attack] = [
    edited, edited_with_a_fresh_hash, two_neighbours_edited_with_fresh_hashes, dropped, dropped_and_numbered_anew, cut_off,
    swapped_neighbours, swapped, shuffled, put_in_twice, forged_and_put_in, written_anew, cut_off_and_grown_again,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_every_change_is_found_and_the_first_bad_row_is_named(chain: tuple[Rows, list[Stored], Anchored], attack: Attack) -> None:
    rows, stored, anchored = chain
    for trial in range(TRIALS):
        changed, first = attack(random.Random(f"{attack.__name__} {trial}"), list(rows))
        verdict = judge(changed, stored, anchored=anchored)
        assert not verdict.intact, f"trial {trial}: nothing was found"
        assert verdict.first == first, f"trial {trial}: {verdict.findings}"
        assert verdict.certain < first, "a row that is bad is none that an anchor vouches for"
        assert changed[: verdict.certain] == rows[: verdict.certain]


def test_there_are_ten_thousand_of_them() -> None:
    assert len(ATTACKS) * WHOLE >= 10_000


UNREADABLE = {
    "no JSON": "UPDATE slipstream_audit SET detail = '{' WHERE seq = 3",
    "a number that is none": "UPDATE slipstream_audit SET detail = '{\"n\": NaN}' WHERE seq = 3",
    "nested without end": f"UPDATE slipstream_audit SET detail = '{'[' * 50_000}' WHERE seq = 3",
    "half of a letter": "UPDATE slipstream_audit SET detail = '\"\\ud800\"' WHERE seq = 3",
    "no UTF-8": "UPDATE slipstream_audit SET actor = CAST(x'ff41' AS TEXT) WHERE seq = 3",
    "bytes": "UPDATE slipstream_audit SET at = x'00ff' WHERE seq = 3",
    "a number": "UPDATE slipstream_audit SET detail = 17 WHERE seq = 3",
    "null in the JSON": "UPDATE slipstream_audit SET detail = 'null' WHERE seq = 3",
    "a number below all": "UPDATE slipstream_audit SET seq = -5000000000 WHERE seq = 3",
    "a number beyond": "UPDATE slipstream_audit SET seq = 9000000000 WHERE seq = 3",
}


@pytest.mark.parametrize("statement", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_any_more_is_named_and_no_traceback(tmp_path: Path, statement: str) -> None:
    control, storage = empty_control(tmp_path), LocalStorage(tmp_path / "store")
    for number in range(6):
        add(control, number)
    with control.transaction() as connection:
        connection.execute(sa.text(statement.replace(":", "\\:")))
    verdict: Verdict = verify(control, storage)
    assert not verdict.intact
    assert verdict.first == (1 if "-5000000000" in statement else 3)


@pytest.mark.parametrize("attack", [edited, dropped, swapped_neighbours], ids=lambda attack: attack.__name__)
def test_the_same_in_the_table_itself(tmp_path: Path, attack: Attack) -> None:
    """The rows as a database holds them and gives them back."""
    control, storage = empty_control(tmp_path), LocalStorage(tmp_path / "store")
    for number in range(12):
        add(control, number)
    with control.transaction() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(audit).order_by(audit.c.seq)).mappings()]
    for trial in range(effort(5, 100)):
        changed, first = attack(random.Random(trial), list(rows))
        with control.transaction() as connection:
            connection.execute(audit.delete())
            connection.execute(audit.insert(), changed)
        assert verify(control, storage).first == first, f"trial {trial}"
