"""`slipstream audit`: what a person sees of a chain that holds, and of one that does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, audit
from tests.support.toy_ledger import MODEL
from tests.unit.cli.conftest import Slipstream


def rows(control: ControlStore) -> int:
    with control.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(audit)).scalar_one()


def test_a_chain_that_holds_is_reported_with_how_far_it_is_sealed_and_looking_writes_nothing(
    slipstream: Slipstream, control: ControlStore
) -> None:
    before = rows(control)
    status, out, _ = slipstream("audit", "verify")
    assert (status, out) == (0, f"{before} rows, none of them sealed yet.\n")
    assert rows(control) == before
    status, out, _ = slipstream("audit", "seal")
    assert (status, f"Seal 1 is of row {before}." in out) == (0, True)
    assert "Nothing was added since the newest seal." in slipstream("audit", "seal")[1]
    told = json.loads(slipstream("audit", "verify", "--json")[1])
    assert (told["intact"], told["sealed"], told["unsealed"], told["findings"]) == (True, before, 1, [])


def test_a_chain_that_does_not_hold_exits_with_3_names_the_row_and_says_what_is_safe(
    slipstream: Slipstream, control: ControlStore
) -> None:
    slipstream("audit", "seal")
    with control.transaction() as connection:
        connection.execute(audit.delete().where(audit.c.seq > 2))
    for verb in ("verify", "seal"):
        status, _, err = slipstream("audit", verb)
        assert status == 3
        for told in ("seal:1: the table ends at row 2", "\n  safe: ", "\n  next: ", "slipstream audit accept"):
            assert told in err
    status, out, _ = slipstream("audit", "verify", "--json")
    assert (status, [each["id"] for each in json.loads(out)["findings"]]) == (3, ["seal:1"])


def test_what_was_found_is_accepted_with_a_reason_only(slipstream: Slipstream, control: ControlStore) -> None:
    assert "There is nothing to accept" in slipstream("audit", "accept", "--reason", "none")[1]
    with control.transaction() as connection:
        connection.execute(audit.update().where(audit.c.seq == 1).values(actor="eve"))
    status, _, err = slipstream("audit", "accept")
    assert (status, "needs its reason" in err) == (1, True)
    assert slipstream("audit", "accept", "--reason", "a backup was restored")[0] == 0
    status, out, _ = slipstream("audit", "verify")
    assert (status, "(a backup was restored): row:1/" in out) == (0, True)


def test_rows_are_searched_by_who_what_when_and_what_they_say(slipstream: Slipstream, control: ControlStore) -> None:
    with control.transaction() as connection:
        control.append_audit(connection, "Ada Lovelace", "rollout.abort", "toys", {"reason": "a 50 % rise"})
        control.append_audit(connection, "ada", "rollback", "toy/canary", {"reason": "none"})

    def found(*words: str) -> list[tuple[str, str]]:
        told = json.loads(slipstream("audit", "search", *words, "--json")[1])["rows"]
        return [(each["actor"], each["subject"]) for each in told]

    assert found("--actor", "ADA") == [("ada", "toy/canary"), ("Ada Lovelace", "toys")]
    assert found("--actor", "ada", "--subject", "toy") == [("ada", "toy/canary")], "what is below it, and no other name"
    assert found("--action", "rollout.a", "--text", "50 % r") == [("Ada Lovelace", "toys")]
    assert found("--actor", "ada", "--until", "2026-01-01") == found("--actor", "ada", "--since", "9999") == []
    assert found("--actor", "ada", "--since", "2026-01-01", "--limit", "1") == [("ada", "toy/canary")]
    assert found("--actor", "%") == [], "a text is no pattern"
    out = slipstream("audit", "search", "--actor", "ada")[1]
    assert "rollout.abort" in out
    assert "a 50 % rise" in out
    assert "No row of the audit is so." in slipstream("audit", "search", "--actor", "nobody")[1]


def test_an_export_is_verified_without_the_stores(
    slipstream: Slipstream, control: ControlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "An export is written to a file." in slipstream("audit", "export")[2]
    slipstream("audit", "seal")
    file = str(tmp_path / "audit.jsonl")
    assert f"{rows(control)} rows are in {file}." in slipstream("audit", "export", "--file", file)[1]
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "elsewhere"))
    status, out, _ = slipstream("audit", "verify", "--file", file)
    assert (status, "1 seals, the newest of row" in out) == (0, True)
    text = Path(file).read_text()
    Path(file).write_text(text.replace(MODEL, f"{MODEL}y", 1))
    status, _, err = slipstream("audit", "verify", "--file", file)
    assert status == 3
    assert "it was changed after it was written" in err


def test_the_newest_row_is_anchored_and_a_chain_written_anew_is_told_with_its_first_row(
    slipstream: Slipstream, control: ControlStore, tmp_path: Path
) -> None:
    place, newest = f"file://{tmp_path / 'anchors.jsonl'}", rows(control)
    assert slipstream("audit", "anchor")[:2] == (0, f"Row {newest} is anchored at {place}.\n")
    assert slipstream("audit", "anchor")[:2] == (0, f"Row {newest} was anchored before.\n")
    assert f"1 anchors, the newest that agrees of row {newest}" in slipstream("audit", "verify")[1]
    with control.transaction() as connection:
        connection.execute(audit.update().where(audit.c.seq == newest).values(actor="eve"))
    status, out, _ = slipstream("audit", "verify", "--json")
    told = json.loads(out)
    assert (status, told["first"], [each["row"] for each in told["findings"]]) == (3, newest, [newest])
    assert f"from row {newest} on" in slipstream("audit", "verify")[2]


def test_an_exported_file_is_compared_with_anchors_that_were_carried_away(
    slipstream: Slipstream, control: ControlStore, tmp_path: Path
) -> None:
    slipstream("audit", "anchor")
    file, anchors = tmp_path / "audit.jsonl", tmp_path / "anchors.jsonl"
    slipstream("audit", "export", "--file", str(file))
    check = ("audit", "verify", "--file", str(file), "--anchors", str(anchors), "--json")
    assert json.loads(slipstream(*check)[1])["certain"] == rows(control)
    anchors.write_text(anchors.read_text().replace('"seq": ', '"seq": 1'))
    assert slipstream(*check)[0] == 3


def test_without_a_place_there_is_nothing_to_anchor_at(slipstream: Slipstream, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, words in (("", "There is no place to anchor"), ("ftp://x", "names a place that is none")):
        monkeypatch.setenv("SLIPSTREAM_AUDIT_ANCHOR", value)
        status, _, err = slipstream("audit", "anchor")
        assert (status, words in err) == (1, True)
    monkeypatch.setenv("SLIPSTREAM_AUDIT_ANCHOR", "file:///proc/nowhere/anchors")
    status, out, err = slipstream("audit", "anchor")
    assert (status != 0, "cannot be reached" in out, "cannot be reached" in err) == (True, True, True)
