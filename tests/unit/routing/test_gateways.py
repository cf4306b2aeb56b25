"""What gateways report to the control store, and who is taken for alive, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, gateways
from include.core.errors import NotReadyError
from include.core.time import now
from include.routing import gateways as room
from include.routing.gateways import Identity, Report, database_time, forget, leave, list_gateways, report, silent_words


@pytest.fixture
def control(url: str) -> ControlStore:
    store = ControlStore(url)
    store.create_tables()
    return store


def identity(number: int = 1, place: str = "127.0.0.1:8500", pid: int = 7) -> Identity:
    return Identity(f"{number:016x}", place, "here", pid, "1.0", "2026-01-01T00:00:00.000+00:00")


def age(control: ControlStore, number: int, seconds: float) -> None:
    """The gateway has been silent for so long."""
    with control.transaction() as connection:
        mine = gateways.c.gateway == f"{number:016x}"
        connection.execute(gateways.update().where(mine).values(beat=gateways.c.beat - seconds))


def test_a_report_is_read_back_and_the_next_one_takes_its_place(control: ControlStore) -> None:
    first = Report({"toy": 3}, {"toy": (4, {"2": "rotten"})})
    report(control, identity(), first)
    (seen,) = list_gateways(control)
    assert (seen.identity, seen.report, seen.alive) == (identity(), first, True)
    assert (seen.serves("toy"), seen.serves("other")) == (3, 0)
    report(control, identity(pid=8), Report({"toy": 4}))
    (seen,) = list_gateways(control)
    assert (seen.identity.pid, seen.serves("toy"), dict(seen.report.refused)) == (8, 4, {})


def test_two_of_one_home_are_two_and_a_restart_is_the_same(control: ControlStore) -> None:
    for place, pid in (("127.0.0.1:8500", 1), ("127.0.0.1:8501", 2), ("127.0.0.1:8500", 3)):
        report(control, identity(place=place, pid=pid), Report())
    assert sorted((each.identity.place, each.identity.pid) for each in list_gateways(control)) == [
        ("127.0.0.1:8500", 3),
        ("127.0.0.1:8501", 2),
    ]


def test_who_is_silent_for_long_is_not_alive_then_not_named_then_gone(control: ControlStore) -> None:
    for number, seconds in ((1, 0.0), (2, room.ALIVE_SECONDS + 5), (3, room.FORGOTTEN_SECONDS + 5)):
        report(control, identity(number), Report())
        age(control, number, seconds)
    seen = list_gateways(control)
    assert [(each.identity.gateway[-1], each.alive) for each in seen] == [("1", True), ("2", False)]
    assert "2 (127.0.0.1:8500 on here), silent since 20" in silent_words(seen[1:])
    forget(control)
    with control.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(gateways)).scalar_one() == 2


def test_life_is_told_by_the_database_s_clock_and_not_by_this_machine_s(
    control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.core.time.now", lambda: now() + timedelta(days=3))
    report(control, identity(), Report())
    (seen,) = list_gateways(control)
    assert seen.alive
    assert seen.silent < room.ALIVE_SECONDS
    assert abs((database_time(control) - now()).total_seconds()) < 60


def test_who_ends_takes_its_own_row_and_not_that_of_the_one_after_it(control: ControlStore) -> None:
    report(control, identity(pid=8), Report())
    leave(control, identity(pid=7))
    assert len(list_gateways(control)) == 1
    leave(control, identity(pid=8))
    assert list_gateways(control) == []


def test_a_long_refusal_is_cut_and_many_silent_ones_are_counted(control: ControlStore) -> None:
    report(control, identity(), Report({}, {"toy": (2, {"2": "x" * 9000})}))
    (seen,) = list_gateways(control)
    assert len(seen.report.refused["toy"][1]["2"]) == room.REASON
    many = [replace(seen, identity=identity(number)) for number in range(8)]
    assert silent_words(many).endswith("; and 3 more")
    assert silent_words([]) == ""


def test_a_process_knows_who_it_is(tmp_path: Path) -> None:
    me, again = (Identity.of_this_process(tmp_path, "127.0.0.1:1") for _ in range(2))
    assert len(me.gateway) == 16
    assert (me.gateway, me.pid, me.release) == (again.gateway, again.pid, room.release())


def test_where_the_file_of_a_store_has_gone_none_is_made_in_its_place(tmp_path: Path) -> None:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    report(store, identity(), Report())
    (tmp_path / "control.db").rename(tmp_path / "moved.db")
    for act in (lambda: report(store, identity(), Report()), lambda: leave(store, identity()), lambda: list_gateways(store)):
        with pytest.raises(NotReadyError, match="no control store"):
            act()
    assert not (tmp_path / "control.db").exists()
