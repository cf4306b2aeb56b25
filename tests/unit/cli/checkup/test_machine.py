from __future__ import annotations

from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import pytest

from include.cli.checkup.finding import Level
from include.cli.checkup.machine import GIB, check_clock, check_disks, check_private
from include.core.settings import Settings
from include.core.time import now

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "level"), [(50 * GIB, Level.OK), (3 * GIB, Level.WARNING), (GIB // 2, Level.PROBLEM)])
def test_room_is_judged_where_the_home_will_be(free: int, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(100 * GIB, 0, free))
    found = list(check_disks(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "not" / "yet")})))
    assert found[0].level is level
    assert f"{free / GIB:.1f} GiB are free at {tmp_path} (the home)." in found[0].words
    assert not (tmp_path / "not").exists()


def test_a_clock_is_compared_with_those_of_the_servers() -> None:
    (alone,) = check_clock([])
    assert (alone.level, "no server was there" in alone.words) == (Level.OK, True)
    (agreed,) = check_clock([("mlflow", now()), ("gateway", now() - timedelta(seconds=2))])
    assert (agreed.level, "agrees with mlflow, gateway" in agreed.words) == (Level.OK, True)
    (ahead,) = check_clock([("mlflow", now()), ("the storage", now() - timedelta(minutes=3))])
    assert (ahead.level, "this machine is 180 s ahead of the storage" in ahead.words) == (Level.PROBLEM, True)


def test_what_others_may_read_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home)})
    assert next(iter(check_private(settings))).level is Level.OK  # nothing is there
    home.mkdir(mode=0o700)
    (home / "control.db").touch(mode=0o600)
    (home / "gateway-tokens.json").touch(mode=0o600)
    assert next(iter(check_private(settings))).level is Level.OK
    for name in ("control.db", "gateway-tokens.json"):  # the second one `make up` leaves to a person
        (home / name).chmod(0o644)
    (found,) = check_private(settings)
    assert (found.level, found.next) == (Level.PROBLEM, f"chmod -R go= {home}")
    assert f"{home / 'control.db'} (0644)" in found.words
    assert f"{home / 'gateway-tokens.json'} (0644)" in found.words
    assert (home / "control.db").stat().st_mode & 0o777 == 0o644
