"""Anchors: written once each, whatever happens meanwhile, and compared with a chain that was written anew or cut off."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore, audit, audit_hash
from include.core.errors import DataError, PermanentError, SpecError, UnreachableError
from include.core.storage import LocalStorage, Storage
from include.governance.anchor_places import FilePlace, LogPlace
from include.governance.anchors import Anchor, Held, Place, anchor_head, anchors_in, read_places
from include.governance.audit_chain import Verdict, verify
from include.governance.seals import FOLDER, write_seal
from tests.support.stores import empty_control


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "store")


@pytest.fixture
def place(tmp_path: Path) -> FilePlace:
    return FilePlace("file:///anchors", tmp_path / "anchors")


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    fault.arm(None)


class Broken:
    """A place that fails as it is told to."""

    readable = True

    def __init__(self, error: Exception) -> None:
        self.name, self.error = "broken", error

    def write(self, anchor: Anchor) -> bool:
        raise self.error

    def read(self) -> list[Held]:
        raise self.error


def add(control: ControlStore, count: int = 1) -> None:
    for number in range(count):
        with control.transaction() as connection:
            control.append_audit(connection, "ada", "rollback", "shop", {"n": number})


def judged(control: ControlStore, root: Storage, *places: Place) -> Verdict:
    return verify(control, root, read_places(places))


def forge(control: ControlStore, root: Storage, since: int) -> None:
    """What somebody does who holds the database and the root: from a row on all is computed anew, and sealed anew."""
    with control.transaction() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(audit).order_by(audit.c.seq)).mappings()]
        connection.execute(audit.delete())
        previous = "0" * 64
        for row in rows:
            row["actor"] = "eve" if row["seq"] == since else row["actor"]
            row["previous"] = previous
            row["hash"] = previous = audit_hash(row)
            connection.execute(audit.insert().values(**row))
    root.delete(FOLDER)
    write_seal(control, root, actor="eve")


def test_the_newest_row_is_anchored_once(control: ControlStore, root: Storage, place: FilePlace) -> None:
    assert anchor_head(control, [place]).anchor is None
    add(control, 3)
    assert [anchor_head(control, [place]).written for _ in range(3)] == [("file:///anchors",), (), ()]
    add(control)
    anchor_head(control, [place])
    assert [each.seq for each in place.read() if isinstance(each, Anchor)] == [3, 4]
    verdict = judged(control, root, place)
    assert (verdict.intact, verdict.anchors, verdict.anchored, verdict.certain) == (True, 2, 4, 4)
    assert "2 anchors, the newest that agrees of row 4" in verdict.words


def test_a_chain_that_was_computed_anew_with_its_seals_is_found_by_the_anchor(
    control: ControlStore, root: Storage, place: FilePlace
) -> None:
    for _ in range(3):
        add(control, 3)
        anchor_head(control, [place])
    forge(control, root, since=5)
    assert verify(control, root).intact, "neither the table nor the seals know of it"
    verdict = judged(control, root, place)
    (finding,) = verdict.findings
    assert (verdict.first, verdict.certain, finding.id.startswith("anchor:6/")) == (4, 3, True)
    assert "row 6 is not the one it was when it was anchored" in finding.what


def test_forged_anchors_beside_the_true_ones_take_nothing_away(control: ControlStore, root: Storage, place: FilePlace) -> None:
    for _ in range(3):
        add(control, 3)
        anchor_head(control, [place])
    forge(control, root, since=2)
    anchor_head(control, [place])
    add(control)
    anchor_head(control, [place])
    verdict = judged(control, root, place)
    assert (verdict.intact, verdict.first, verdict.certain) == (False, 1, 0)


def test_rows_cut_off_at_the_end_are_found_by_the_anchor(control: ControlStore, root: Storage, place: FilePlace) -> None:
    add(control, 9)
    anchor_head(control, [place])
    with control.transaction() as connection:
        connection.execute(audit.delete().where(audit.c.seq > 6))
    assert verify(control, root).intact
    verdict = judged(control, root, place)
    assert verdict.first == 7
    assert "the table ends at row 6, and row 9 was there" in verdict.findings[0].what
    with control.transaction() as connection:
        connection.execute(audit.delete())
    assert "every row is gone" in judged(control, root, place).findings[0].what


def test_a_place_that_is_away_keeps_no_other_from_its_anchor_and_nothing_from_being_verified(
    control: ControlStore, root: Storage, place: FilePlace
) -> None:
    add(control)
    away, refusing = Broken(UnreachableError("it is away")), Broken(PermanentError("it refuses"))
    done = anchor_head(control, [away, place])
    assert (done.written, list(done.failed)) == (("file:///anchors",), ["broken"])
    done.raise_if_refused()
    with pytest.raises(PermanentError, match="it refuses"):
        anchor_head(control, [refusing]).raise_if_refused()
    verdict = judged(control, root, away, place)
    assert (verdict.intact, verdict.anchored, list(verdict.away)) == (True, 1, ["broken"])
    assert "broken could not be compared: it is away" in verdict.words


def test_a_log_is_told_once_and_says_so(control: ControlStore, root: Storage, tmp_path: Path) -> None:
    said: list[str] = []
    log = LogPlace("log:", said.append)
    add(control, 2)
    for _ in range(3):
        anchor_head(control, [log])
    assert len(said) == 1
    verdict = judged(control, root, log)
    assert (verdict.anchors, verdict.elsewhere) == (0, ("log:",))
    assert "only written to" in verdict.words
    carried = tmp_path / "carried.log"
    carried.write_text("\n".join(["noise {", f"2026-11-30 INFO task: {said[0]}", json.dumps({"message": said[0]}), "{}"]))
    found = verify(control, root, read_places([], [carried]))
    assert (found.intact, found.anchors) == (True, 2)
    forge(control, root, since=1)
    assert verify(control, root, read_places([], [carried])).first == 1


@pytest.mark.parametrize(
    "text", ["", "nothing", '{"audit_anchor": 3}', '{"audit_anchor": {"seq": 1}}', "[" * 5000 + '"audit_anchor"{']
)
def test_a_log_without_an_anchor_vouches_for_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(DataError, match="no anchor in"):
        read_places([], [path])
    with pytest.raises(DataError, match="cannot be read"):
        read_places([], [tmp_path])


def test_an_anchor_is_found_in_whatever_a_log_makes_of_its_line() -> None:
    anchor = Anchor(7, "a" * 64, "2026-11-30T00:00:00.000+00:00")
    lines = [
        anchor.line,
        f"<86>slipstream: {anchor.line}",
        json.dumps([{"log": {"text": f"x {anchor.line}"}}]),
        f"{{ {anchor.line}",
    ]
    assert [list(anchors_in(line)) for line in lines] == [[anchor]] * len(lines)


@pytest.mark.parametrize("point", ["audit.anchor", "audit.anchored"])
@pytest.mark.parametrize("kind", ["file", "log"])
def test_killed_at_any_instant_there_is_the_anchor_or_none(
    control: ControlStore, root: Storage, tmp_path: Path, point: str, kind: str
) -> None:
    target = tmp_path / "anchors"

    def say(line: str) -> None:
        with target.open("a") as file:
            file.write(f"{line}\n")

    place: Place = FilePlace("here", target) if kind == "file" else LogPlace("log:", say)
    add(control, 3)
    child = os.fork()
    if child == 0:
        fault.arm(fault.Fault(point, "kill"))
        anchor_head(ControlStore(control.url), [place])
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    for _ in range(2):
        anchor_head(control, [place])
    found = read_places([], [target])
    assert {each.seq for each in found} == {3}
    assert len([*found]) == (2 if (point, kind) == ("audit.anchored", "log") else 1)  # a log's line twice says nothing else
    assert verify(control, root, found).intact


def test_what_a_setting_names_is_a_place_or_an_error(tmp_path: Path) -> None:
    from include.governance.anchor_places import open_places

    def none() -> None:
        raise AssertionError("AWS is not asked")

    def opened(text: str) -> list[Place]:
        return open_places({"SLIPSTREAM_AUDIT_ANCHOR": text}, none)  # type: ignore[arg-type]  # it is never called

    assert opened("") == []
    assert [each.name for each in opened("file:///a, log: syslog:///dev/log syslog://h:514 log:")] == [
        "file:///a", "log:", "syslog:///dev/log", "syslog://h:514",
    ]  # fmt: skip
    for wrong in ("ftp://x", "file://relative", "s3://", "/tmp/x", "syslog:", "syslog://h:port"):
        with pytest.raises(SpecError, match="SLIPSTREAM_AUDIT_ANCHOR"):
            opened(wrong)
