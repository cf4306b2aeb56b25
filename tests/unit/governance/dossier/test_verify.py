"""What is proven by the file alone, by the files beside it, by an export of the chain, and what is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.core.control import ControlStore
from include.core.errors import IntegrityError
from include.core.storage import LocalStorage
from include.governance.audit_export import export
from include.governance.dossier.audit_part import audit_part, concerns
from include.governance.dossier.envelope import Dossier, read, seal
from include.governance.dossier.issue import issue
from include.governance.dossier.verify import verify
from tests.support.stores import empty_control
from tests.unit.governance.dossier.conftest import KEY, add


def check(data: bytes, **how: Any) -> tuple[str, ...]:
    return verify(read(data), [KEY.public], **how).found


def again(dossier: Dossier, **audit: Any) -> bytes:
    """Signed anew by whoever holds the key: the rows still have hashes of their own."""
    return seal({**dossier.body, "audit": {**dossier.body["audit"], **audit}}, KEY)


def test_a_row_that_was_edited_moved_or_forged_is_named_whoever_signed(signed: bytes) -> None:
    dossier = read(signed)
    rows = dossier.body["audit"]["rows"]
    assert check(signed) == ()
    edited = [{**rows[0], "actor": "eve"}, *rows[1:]]
    assert check(again(dossier, rows=edited)) == (f"audit row {rows[0]['seq']} was changed after it was written",)
    assert check(again(dossier, rows=[rows[1], rows[0], *rows[2:]])) == (f"audit row {rows[0]['seq']} is out of its order",)
    late = {**dossier.body["audit"]["head"], "seq": rows[-1]["seq"] - 1}
    assert f"audit row {rows[-1]['seq']} is not of the chain" in check(again(dossier, head=late))[0]
    for wrong in ([17], [{}], [{"seq": "x"}], [{"seq": 1, "hash": "x"}]):
        assert check(again(dossier, rows=wrong)) == ("its parts are not those of a dossier",)
    for parts in ({"rows": None}, {"head": "x"}, {"head": {}}, {"rollouts": 3}, {"rollouts": [[]]}):
        assert check(again(dossier, **parts)) == ("its parts are not those of a dossier",)


def test_an_export_proves_that_its_rows_stand_in_the_chain_and_none_was_left_out(
    stores: tuple[ControlStore, LocalStorage], signed: bytes, tmp_path: Path
) -> None:
    whole = tmp_path / "audit.jsonl"
    export(*stores, whole)
    assert check(signed, export=whole) == ()
    dossier = read(signed)
    rows = dossier.body["audit"]["rows"]
    (left_out,) = check(again(dossier, rows=rows[1:]), export=whole)
    assert left_out == f"audit row {rows[0]['seq']} is about this version, and the dossier leaves it out"
    other = {**dossier.body["audit"]["head"], "hash": "0" * 64}
    assert "is not the one that was the newest" in check(again(dossier, head=other), export=whole)[0]
    lines = whole.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if f'"seq": {rows[0]["seq"]},' in line or f'"seq": {rows[0]["seq"]}}}' in line)
    (tmp_path / "edited").write_text("\n".join([*lines[:place], lines[place].replace("ada", "eve"), *lines[place + 1 :]]) + "\n")
    found = check(signed, export=tmp_path / "edited")
    assert any("of the dossier is another one in the chain" in each for each in found)


def test_a_chain_that_is_older_than_the_dossier_is_told(
    stores: tuple[ControlStore, LocalStorage], signed: bytes, tmp_path: Path
) -> None:
    control, storage = empty_control(tmp_path), LocalStorage(tmp_path / "store")
    add(control, 3)
    export(control, storage, tmp_path / "short")
    found = check(signed, export=tmp_path / "short")
    assert any("it is older than the dossier" in each for each in found)


def test_a_file_may_not_lead_out_of_its_folder(signed: bytes, tmp_path: Path) -> None:
    dossier = read(signed)
    away = seal({**dossier.body, "files": [{"path": "../../etc/passwd", "digest": "0" * 64}], "folders": []}, KEY)
    assert check(away, files=tmp_path) == ("../../etc/passwd leads out of the folder",)


def test_many_findings_are_cut_and_counted(signed: bytes, tmp_path: Path) -> None:
    dossier = read(signed)
    files = [{"path": f"f{number}", "digest": "0" * 64} for number in range(30)]
    report = verify(read(seal({**dossier.body, "files": files}, KEY)), [KEY.public], files=tmp_path)
    with pytest.raises(IntegrityError, match="in 30 points") as told:
        report.raise_if_found()
    assert "and 20 more" in str(told.value)
    replace(report, found=()).raise_if_found()


def test_rows_that_concern_a_version_are_those_that_name_it_or_its_rollout(stores: tuple[ControlStore, LocalStorage]) -> None:
    about = concerns("shop", 3, ["r1"])
    for detail in ({"version": 3}, {"challenger": 3}, {"version": 1, "from": 3}, {"rollout": "r1"}):
        assert about({"subject": "shop", "detail": detail}), detail
    for other in ({"version": 31}, {"version": "3"}, {"version": True}, [3], {"rollout": "r2"}):
        assert not about({"subject": "shop", "detail": other}), other
    assert about({"subject": "shop/3", "detail": {}})
    assert not about({"subject": "shopping", "detail": {"version": 3}})
    assert [row["detail"]["version"] for row in audit_part(*stores, "shop", 3, [])["rows"]] == [3, 3, 3]


def test_issuing_is_a_row_and_the_key_is_noted_once(body: dict[str, Any], tmp_path: Path) -> None:
    control, storage = empty_control(tmp_path), LocalStorage(tmp_path / "store")
    for _ in range(2):
        data = issue(control, body, KEY, "ada")
    export(control, storage, tmp_path / "chain")
    rows = [json.loads(line)["row"] for line in (tmp_path / "chain").read_text().splitlines() if '"row"' in line]
    assert [row["action"] for row in rows] == ["dossier.key", "dossier.made", "dossier.made"]
    assert rows[1]["detail"] == {"version": 3, "digest": read(data).digest, "key": KEY.public}
