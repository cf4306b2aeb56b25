from __future__ import annotations

from include.governance.lineage import Trace
from include.governance.node import Node, State
from include.governance.tree import render
from tests.support.toy_ledger import record


def day(number: int, state: State = State.VERIFIED) -> Node:
    return Node(f"2013-01-{number:02}", state, f"{number:064x}", f"raw/{number}", {"rows": number})


def shown(*children: Node, everything: bool = False) -> list[str]:
    root = Node("version", State.VERIFIED, "a" * 64, "v", {"semver": "1.0.0"}, children)
    return render(Trace(record(1, "1.0.0"), root), everything).splitlines()


def test_a_line_says_what_it_was_its_digest_and_whether_it_holds() -> None:
    lines = shown(
        Node("train", State.VERIFIED, "b" * 64, "t", {"rows": 10, "commit": ""}), Node("code", State.RECORDED, "c" * 64)
    )
    assert lines == [
        "version v ✓ (semver 1.0.0)",
        "├─ train t ✓ (rows 10)",
        "└─ code cccccccccccc ·",
        "every digest holds: 2 verified, 1 recorded",
    ]


def test_many_days_are_one_line_between_the_first_and_the_last() -> None:
    lines = shown(*[day(number) for number in range(1, 11)])
    assert [line.split()[1] for line in lines[1:-1]] == ["2013-01-01", "…", "2013-01-10"]
    assert "8 more days, all intact" in lines[2]
    assert len(shown(*[day(number) for number in range(1, 11)], everything=True)) == 12


def test_few_days_are_all_shown() -> None:
    assert len(shown(*[day(number) for number in range(1, 5)])) == 6


def test_a_broken_day_is_never_left_out() -> None:
    lines = shown(*[day(number, State.CHANGED if number == 6 else State.VERIFIED) for number in range(1, 11)])
    assert any("2013-01-06" in line and "✗ changed" in line for line in lines)
    assert "7 more days" in lines[2]
    assert lines[-1] == "LINEAGE IS BROKEN: 10 verified, 1 changed"


def test_what_was_shown_with_its_inputs_is_not_shown_again() -> None:
    data = Node("training set", State.VERIFIED, "d" * 64, "set", children=(Node("sql", State.RECORDED, "e" * 64),))
    lines = shown(data, data)
    assert sum("sql" in line for line in lines) == 1
    assert lines[3].endswith(": as above")
