"""A dossier of a version with a row of everything, signed by a key of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.control import ControlStore
from include.core.storage import LocalStorage
from include.governance.dossier.audit_part import audit_part
from include.governance.dossier.envelope import seal
from include.governance.dossier.keys import SigningKey
from include.governance.seals import write_seal
from tests.support.stores import empty_control

KEY = SigningKey(bytes(range(32)))


def add(control: ControlStore, version: int, subject: str = "shop", **more: Any) -> None:
    with control.transaction() as connection:
        control.append_audit(connection, "ada", "rollout.promote", subject, {"version": version, **more})


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[ControlStore, LocalStorage]:
    """Rows about versions 1 to 3 of `shop`, among those of another model."""
    folder: Path = tmp_path_factory.mktemp("dossier")
    control, storage = empty_control(folder), LocalStorage(folder / "store")
    for number in range(9):
        add(control, number % 3 + 1, reason="ü <b>&amp;</b>")
        add(control, 3, subject="other")
    write_seal(control, storage, actor="tests")
    return control, storage


@pytest.fixture(scope="session")
def body(stores: tuple[ControlStore, LocalStorage]) -> dict[str, Any]:
    return {
        "model": "shop",
        "version": 3,
        "made_at": "2026-11-30T10:00:00.000+00:00",
        "made_by": "ada </pre><script>alert(1)</script>",
        "record": {"stage": "Production", "semver": "1.2.0"},
        "data": {
            "training_set": {"rows": 1204, "share": 0.25, "none": None, "ok": True},
            "partitions": [{"partition": "2013-01-01"}],
        },
        "evaluation": {"metrics": {"auc": 0.71}, "slices": [{"slice": "origin", "value": "JFK", "rows": 5, "auc": 0.7}]},
        "approvals": [],
        "files": [{"path": "ledger/train/x/g0/a1/y/model.onnx", "digest": "0" * 64, "role": "train"}],
        "folders": ["ledger/train/x/g0/a1/y"],
        "audit": audit_part(*stores, "shop", 3, ["r1"]),
        "missing": {},
        "beyond": {"what": {"is": {"so": {"deep": {"that": {"it": {"ends": [1, "two"]}}}}}}},
    }


@pytest.fixture(scope="session")
def signed(body: dict[str, Any]) -> bytes:
    return seal(body, KEY)
