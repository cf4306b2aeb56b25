"""State that was moved to another folder and given to another user: that user's gateway serves the same champion."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from include.core.control import versions
from include.core.digest import PROJECT
from include.routing.route import Route, set_route
from tests.support.gateway_world import MODEL, World, body, heat_score

USER = "nobody"
# Nothing but reading is left of root's rights: the interpreter may lie in root's home. Writing is as that user may.
RIGHTS = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
BECOME = ("setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups", *RIGHTS)


def possible() -> bool:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    return subprocess.run([*BECOME, sys.executable, "-c", ""], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not possible(), reason="needs root, and setpriv to become another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="slipstream-moved-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_user(world: World, *command: str) -> subprocess.Popen[str]:
    environ = {**world.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    full = [*BECOME, sys.executable, *command]
    return subprocess.Popen(full, env=environ, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def relocate(world: World) -> tuple[int, str]:
    process = as_user(world, "-m", "include.cli.main", "relocate")
    said = process.communicate(timeout=120)[0]
    return process.returncode, said


def give_away(folder: Path) -> None:
    owner = pwd.getpwnam(USER)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)


def made_before(home: Path) -> None:
    """A registered version in service, as an earlier release stored it: with the root in its row."""
    world = World(home)
    world.register(2, heat_score())
    world.route(Route(champion=2))
    with world.control.transaction() as connection:
        record = connection.execute(sa.select(versions.c.record)).scalar_one()
        train = {**record["train"], "uri": f"{home}/store/{record['train']['uri']}"}
        connection.execute(versions.update().values(record={**record, "train": train}))
        set_route(connection, MODEL, Route(champion=2))


def test_another_user_starts_what_was_moved(place: Path) -> None:
    made_before(place / "former")
    shutil.rmtree(place / "former" / "code")
    shutil.move(place / "former", place / "home")
    world = World(place / "home")
    for path in (world.home, *world.home.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    os.chown(world.home, pwd.getpwnam(USER).pw_uid, -1)
    status, said = relocate(world)
    assert status == 1
    assert "belong to another user" in said
    assert f"chown -R {USER} {world.home}" in said
    assert "Traceback" not in said
    give_away(world.home)
    status, said = relocate(world)
    assert status == 0, said
    assert "slipstream_versions" in said
    with world.control.transaction() as connection:
        record = connection.execute(sa.select(versions.c.record)).scalar_one()
    assert record["train"]["uri"].startswith("ledger/train/")
    give_away(world.home)  # this look at the database was ours
    gateway = as_user(world, "-m", "include.gateway")
    try:
        answered = wait_for_answer(world, gateway)
    finally:
        gateway.send_signal(signal.SIGTERM)
        output = gateway.communicate(timeout=30)[0]
    assert (answered["version"], answered["degraded"]) == (2, []), output


def wait_for_answer(world: World, gateway: subprocess.Popen[str]) -> dict[str, object]:

    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert gateway.poll() is None
        try:
            answer = httpx.post(f"{world.url}/predict/{MODEL}", json=body(), timeout=5)
            if answer.status_code == 200:
                return dict(json.loads(answer.text))
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the gateway never answered")
