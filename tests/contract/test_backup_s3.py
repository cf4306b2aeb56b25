"""A backup on S3, of a platform whose storage is there as well, restored over another prefix."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.backends.s3.storage import S3Storage
from include.backup import manifest as manifests
from include.backup.create import create
from include.backup.restore import Wanted, restore
from include.backup.verify import verify
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.root_owner import require_own_root
from include.core.storage import LocalStorage
from include.governance.audit_chain import verify as verify_audit
from include.governance.lineage import trace
from tests.support.aged import killed_at
from tests.support.carried import Machine
from tests.support.carried import lived as lived
from tests.support.toy_ledger import MODEL


def test_from_s3_to_s3_with_all_its_data(lived: Path, tmp_path: Path, s3_client: Any) -> None:
    shutil.copytree(lived, tmp_path / "home")
    machine, name = Machine.at(tmp_path / "home"), uuid.uuid4().hex[:12]
    root = S3Storage(f"s3://slipstream/{name}/root", s3_client)
    for path in machine.settings.storage().list(""):
        root.write(path, LocalStorage(machine.root).read(path))
    settings = replace(machine.settings, root=root.root)
    backup = S3Storage(f"s3://slipstream/{name}/backup", s3_client)
    with killed_at("backup.parts"):
        create(settings, machine.control, root, backup, with_data=True, release="1")
    with pytest.raises(DataError, match="There is no whole backup"):
        manifests.read(backup)
    made = create(settings, machine.control, root, backup, with_data=True, release="1")
    manifest = manifests.read(backup)
    assert manifest == made.manifest
    assert made.files > 30
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    checked = verify(backup, manifest, scratch, root)
    assert (checked.problems, checked.lacking, checked.references) == ([], [], 8)

    other, elsewhere = Machine.at(tmp_path / "other"), S3Storage(f"s3://slipstream/{name}/elsewhere", s3_client)
    there = replace(other.settings, root=elsewhere.root)
    done = restore(there, other.control, elsewhere, backup, manifest, scratch, Wanted("tests"))
    assert (done.lacking, done.files) == ([], made.files)
    assert verify_audit(other.control, elsewhere).intact
    assert trace(Ledger(elsewhere), other.control, MODEL, 2).intact
    require_own_root(other.control, elsewhere)
    assert list(scratch.rglob("*.onnx")) == [], "what was carried is not left on this machine"
