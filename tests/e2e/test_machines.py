"""The machines of `make e2e-cluster`: what one of them has is its own, and survives its death."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from include.core.digest import PROJECT
from tests.e2e.cluster.machines import NAMESPACES


def _can() -> bool:
    if os.geteuid() != 0 or PROJECT.is_relative_to("/tmp") or not (shutil.which("ip") and shutil.which("nsenter")):
        return False
    return subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can(), reason="machines are namespaces: they need root, iproute2, and a project outside /tmp")
def test_a_machine_shares_nothing_and_boots_again_with_its_disk() -> None:
    folder = Path(tempfile.mkdtemp(prefix="slipstream-machines-", dir="/var/tmp"))
    try:
        command = [sys.executable, "-m", "tests.e2e.cluster.smoke", str(folder)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        seen = json.loads(done.stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert seen["before"].split() == ["served"]
    assert seen["other"] == ["other", "200"]  # its name; no disk of another, nothing in /tmp; the other's server
    assert seen["dead"] == ""
    assert seen["after"].split() == ["served", "served"]
    assert seen["off"]
