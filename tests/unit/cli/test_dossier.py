"""`slipstream dossier`: made of what the stores hold, checked where there are none."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, audit
from include.core.storage import LocalStorage
from include.governance.dossier.envelope import as_page
from include.overview.dossier.shelf import shelf, take_down
from tests.support.toy_ledger import MODEL
from tests.unit.cli.conftest import Slipstream


@pytest.fixture
def key(slipstream: Slipstream) -> str:
    return slipstream("dossier", "key", "--new")[1].split()[0]


def made(slipstream: Slipstream, folder: Path, *more: str) -> Path:
    path = folder / f"made{len([*folder.glob('made*')])}"
    status, out, err = slipstream("dossier", MODEL, "2", "--out", str(path), *more)
    assert (status, err) == (0, ""), out
    return path


def test_a_dossier_is_made_signed_and_verified_elsewhere(
    slipstream: Slipstream, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more in ((), ("--html",)):
        path = made(slipstream, tmp_path, *more)
        monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "nowhere"))
        status, out, _ = slipstream("dossier", "verify", str(path), "--key", key)
        assert (status, f"The dossier of {MODEL} version 2 holds." in out) == (0, True)
        assert "nothing was changed since the key" in out
        assert "open: that its audit rows stand in the chain" in out
        status, _, err = slipstream("dossier", "verify", str(path))
        assert (status, "by a key that you have from elsewhere" in err, f"--key {key}" in err) == (1, True, True)
        assert slipstream("dossier", "verify", str(path), "--key", "0" * 64)[0] == 3
        monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))


def test_its_files_are_checked_and_each_that_was_changed_removed_or_added_is_named(
    slipstream: Slipstream, key: str, tmp_path: Path
) -> None:
    path, copy = made(slipstream, tmp_path), tmp_path / "copy"
    shutil.copytree(tmp_path / "store", copy)
    check = ("dossier", "verify", str(path), "--key", key, "--files", str(copy))
    body = json.loads(path.read_text())["body"]
    assert f"{len(body['files'])} of {len(body['files'])} files" in slipstream(*check)[1]
    for each in body["files"]:
        place = copy / each["path"]
        before = place.read_bytes()
        place.write_bytes(bytes([before[0] ^ 1]) + before[1:])
        assert f"{each['path']} was changed" in slipstream(*check)[2]
        place.unlink()
        assert f"{each['path']} is not there" in slipstream(*check)[2]
        assert slipstream(*check, "--partial")[0] == 0
        place.write_bytes(before)
    assert slipstream(*check)[0] == 0
    (copy / body["folders"][0] / "more").write_text("")
    assert "more was added" in slipstream(*check)[2]


def test_its_audit_rows_are_found_in_an_export_and_one_that_was_left_out_is_missed(
    slipstream: Slipstream, key: str, control: ControlStore, tmp_path: Path
) -> None:
    path, export = made(slipstream, tmp_path), tmp_path / "audit.jsonl"
    slipstream("audit", "anchor")
    slipstream("audit", "export", "--file", str(export))
    check = ("dossier", "verify", str(path), "--key", key, "--audit", str(export), "--anchors", str(tmp_path / "anchors.jsonl"))
    assert "all that the chain has about it, which anchors vouch for" in slipstream(*check)[1]
    rows = json.loads(path.read_text())["body"]["audit"]["rows"]
    assert [row["action"] for row in rows][:1] == ["register"]
    with control.transaction() as connection:
        connection.execute(sa.delete(audit).where(audit.c.seq == rows[-1]["seq"]))
    export.unlink()
    slipstream("audit", "export", "--file", str(export))
    status, _, err = slipstream(*check)
    assert (status, f"audit row {rows[-1]['seq']} of the dossier is not in the chain" in err) == (3, True)


def test_without_a_key_it_is_made_only_where_that_is_asked_for_and_verified_likewise(
    slipstream: Slipstream, tmp_path: Path
) -> None:
    status, _, err = slipstream("dossier", MODEL, "2", "--out", str(tmp_path / "none"))
    assert (status, "no key to sign" in err, (tmp_path / "none").exists()) == (1, True, False)
    path = made(slipstream, tmp_path, "--unsigned")
    status, _, err = slipstream("dossier", "verify", str(path))
    assert (status, "nobody signed it" in err) == (3, True)
    status, out, _ = slipstream("dossier", "verify", str(path), "--unsigned")
    assert (status, "open: nobody signed it" in out) == (0, True)


def test_what_a_former_key_signed_is_still_verified_here(slipstream: Slipstream, key: str, tmp_path: Path) -> None:
    old = made(slipstream, tmp_path)
    new = slipstream("dossier", "key", "--new")[1].split()[0]
    assert new != key
    assert slipstream("dossier", "verify", str(old))[0] == 0
    told = json.loads(slipstream("dossier", "key", "--json")[1])
    assert (told["key"], [each["key"] for each in told["former"]]) == (new, [key])
    assert (tmp_path / "secrets" / "dossier_key").stat().st_mode & 0o777 == 0o600


def test_the_key_of_the_connection_comes_before_the_file(
    slipstream: Slipstream, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_DOSSIER", f"generic://:{'A' * 43}@/")
    shared = slipstream("dossier", "key")[1].split()[0]
    assert shared != key
    status, _, err = slipstream("dossier", "key", "--new")
    assert (status, "change it there" in err) == (1, True)
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_DOSSIER", "generic://:short@/")
    status, _, err = slipstream("dossier", "key")
    assert (status, "is no key that signs" in err, "short" in err) == (1, True, False)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="wants openssl")
def test_openssl_reads_the_public_key(slipstream: Slipstream, key: str, tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text(slipstream("dossier", "key", "--pem")[1])
    told = subprocess.run(["openssl", "pkey", "-pubin", "-in", str(pem), "-noout", "-text"], capture_output=True, text=True)
    assert key[:6] == told.stdout.split("pub:")[1].strip().replace(":", "")[:6]
    assert slipstream("dossier", "verify", str(made(slipstream, tmp_path)), "--key", str(pem))[0] == 0


def test_one_that_is_kept_is_where_the_console_finds_it(
    slipstream: Slipstream, key: str, control: ControlStore, tmp_path: Path
) -> None:
    made(slipstream, tmp_path)
    assert shelf(control, MODEL) == {}
    path = made(slipstream, tmp_path, "--html", "--keep")
    (held,) = shelf(control, MODEL)[2]
    data = take_down(control, LocalStorage(tmp_path / "store"), MODEL, 2)
    assert (as_page(data), held.signed) == (path.read_bytes(), True)
    made(slipstream, tmp_path, "--unsigned", "--keep")
    assert [each.signed for each in shelf(control, MODEL)[2]] == [False, True]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("verify",), "Which dossier"), (("verify", "/nowhere"), "cannot be read"), (("nobody",), "There is no model"),
        ((MODEL, "x"), "is a number"), ((MODEL, "9"), "There is no version 9"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(slipstream: Slipstream, key: str, words: tuple[str, ...], told: str) -> None:
    status, _, err = slipstream("dossier", *words)
    assert (status, told in err) == (1, True)


def test_making_is_a_row_of_the_audit_and_no_file_is_replaced(
    slipstream: Slipstream, key: str, control: ControlStore, tmp_path: Path
) -> None:
    path = made(slipstream, tmp_path)
    assert slipstream("dossier", MODEL, "2", "--out", str(path))[0] == 1
    with control.transaction() as connection:
        found = connection.execute(sa.select(audit.c.action, audit.c.detail).order_by(audit.c.seq)).all()
    mine = [detail for action, detail in found if action == "dossier.made"]
    assert mine[0] == {"version": 2, "digest": json.loads(path.read_text())["digest"], "key": key}
    assert [action for action, _ in found].count("dossier.key") == 1


def test_a_model_that_is_called_as_a_word_of_the_command_is_named_by_an_option(
    slipstream: Slipstream, key: str, tmp_path: Path
) -> None:
    path = tmp_path / "named"
    assert slipstream("dossier", "--model", MODEL, "2", "--out", str(path))[::2] == (0, "")
    assert json.loads(path.read_text())["body"]["version"] == 2
    for name in ("verify", "key"):  # there is none: but it is looked for as a model
        status, out, err = slipstream("dossier", "--model", name, "2")
        assert (status, out, f"no model {name!r}" in err) == (1, "", True), err
    for given, hint in (
        (("key", "3"), "slipstream dossier --model key 3"),
        (("verify",), "slipstream dossier --model verify [VERSION]"),
        ((), "slipstream dossier MODEL [VERSION]"),
        (("--model", MODEL, "2", "3"), f"slipstream dossier --model {MODEL} [VERSION]"),
    ):
        status, out, err = slipstream("dossier", *given)
        assert (status, out, hint in err) == (1, "", True), err


def test_no_other_command_has_a_place_for_a_model_or_a_word_of_its_own() -> None:
    """A model may have any name: where one is expected no verb is, unless an option names the model."""
    from include.cli.main import COMMANDS, _parser

    (commands,) = (each for each in _parser(list(COMMANDS))._actions if hasattr(each, "choices") and each.choices)
    assert commands.choices is not None
    mixed = {name for name in COMMANDS for each in dict(commands.choices)[name]._actions if "|" in str(each.metavar or "")}  # type: ignore[call-overload]
    assert {name for name in mixed if not _names_a_model(dict(commands.choices)[name])} == set()  # type: ignore[call-overload]
    assert "dossier" in mixed


def _names_a_model(parser: argparse.ArgumentParser) -> bool:
    return any("--model" in each.option_strings for each in parser._actions)
