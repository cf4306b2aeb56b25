"""The table of scores: one file a partition, replaced as a whole; a killed, an overtaken and a repeated publisher."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import duckdb
import pytest

from include.core import fault
from include.core.control import ControlStore
from include.core.errors import FencedError
from include.core.ledger import Ledger
from include.core.partition import BEGINNING, Partition
from include.core.request import Result
from include.core.settings import Settings
from include.core.task import perform
from include.scoring import table as table_module
from include.scoring.table import FILE, folder_of, path_of, publish, resource, restore, standing, table, wrong
from tests.support.scoring_days import DAYS, request
from tests.support.scoring_days import publish as publish_days

MODEL = "late_small"


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path}/control.db")
    store.create_tables()
    return store


def scored(ledger: Ledger, settings: Settings, scratch: Path, version: int, day: str = DAYS[1]) -> Result:
    asked = request(publish_days(ledger, scratch), version=version, day=day)
    return perform(asked, ledger.open_attempt(asked.key, 0), ledger, settings)


@pytest.fixture
def seven(ledger: Ledger, settings: Settings, scratch: Path) -> Result:
    return scored(ledger, settings, scratch, 7)


@pytest.fixture
def eight(ledger: Ledger, settings: Settings, scratch: Path) -> Result:
    return scored(ledger, settings, scratch, 8)


def put(control: ControlStore, ledger: Ledger, result: Result, epoch: int | None = None) -> dict[str, object]:
    day = str(result.value["day"])
    return {**publish(control, ledger, MODEL, result, epoch or control.take(resource(MODEL, day), "a test"))}


def versions(ledger: Ledger) -> list[tuple[str, int]]:
    """As Athena would: by the folders' names."""
    files = f"{ledger.storage.uri(folder_of(MODEL))}/**/*.parquet"
    sql = f"SELECT DISTINCT date::VARCHAR, version FROM read_parquet('{files}', hive_partitioning = true) ORDER BY 1"
    return duckdb.connect().sql(sql).fetchall()


def test_partitions_lie_under_hives_names() -> None:
    assert path_of("m", "2013-03-01") == f"scores/m/date=2013-03-01/{FILE}"
    assert path_of("m", "2013-03-01T06:15") == f"scores/m/date=2013-03-01/time=0615/{FILE}"
    assert path_of("m", "2013-W14") == f"scores/m/week=2013-W14/{FILE}"
    for name in ("2013-03-01", "2013-03-01T06:15", "2013-W14"):
        assert path_of("m", name) == f"scores/m/{Partition(name, BEGINNING, BEGINNING).path}/{FILE}"


def test_a_day_that_is_scored_again_has_one_file_of_the_later_version(
    control: ControlStore, ledger: Ledger, seven: Result, eight: Result, settings: Settings, scratch: Path
) -> None:
    put(control, ledger, scored(ledger, settings, scratch, 7, DAYS[0]))
    assert put(control, ledger, seven)["changed"] is True
    assert put(control, ledger, eight)["changed"] is True
    assert versions(ledger) == [(DAYS[0], 7), (DAYS[1], 8)]
    assert len(list(ledger.storage.list(folder_of(MODEL)))) == 2
    assert [(each.day, each.version) for each in table(control, MODEL)] == [(DAYS[0], 7), (DAYS[1], 8)]


def test_published_again_nothing_is_written(control: ControlStore, ledger: Ledger, seven: Result) -> None:
    put(control, ledger, seven)
    before = list(ledger.storage.changed(folder_of(MODEL)))
    assert put(control, ledger, seven)["changed"] is False
    assert list(ledger.storage.changed(folder_of(MODEL))) == before


def test_the_first_result_may_come_back(control: ControlStore, ledger: Ledger, seven: Result, eight: Result) -> None:
    for result in (seven, eight, seven):
        put(control, ledger, result)
    assert versions(ledger) == [(DAYS[1], 7)]


def killed_at(point: str, url: str, ledger: Ledger, result: Result) -> int:
    """The signal that ended a process which published with a kill at that point."""
    child = os.fork()
    if not child:
        try:
            fault.arm(fault.Fault(point, "kill"))
            put(ControlStore(url), ledger, result)
        finally:
            os._exit(3)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("point", "seen"), [("scores.recorded", 7), ("scores.written", 8)])
def test_a_publisher_that_is_killed_leaves_a_whole_file_and_its_retry_ends_it(
    control: ControlStore, ledger: Ledger, seven: Result, eight: Result, point: str, seen: int
) -> None:
    put(control, ledger, seven)
    control.engine.dispose()  # nothing open goes into the fork
    assert killed_at(point, str(control.engine.url), ledger, eight) == signal.SIGKILL
    assert versions(ledger) == [(DAYS[1], seen)]
    put(control, ledger, eight)
    assert versions(ledger) == [(DAYS[1], 8)]
    assert list(wrong(control, ledger.storage, MODEL)) == []


def test_one_that_was_overtaken_before_it_began_changes_nothing(
    control: ControlStore, ledger: Ledger, seven: Result, eight: Result
) -> None:
    late = control.take(resource(MODEL, DAYS[1]), "late")
    put(control, ledger, eight)
    with pytest.raises(FencedError):
        put(control, ledger, seven, late)
    assert versions(ledger) == [(DAYS[1], 8)]


def test_one_that_writes_over_its_successor_puts_its_file_back(
    control: ControlStore, ledger: Ledger, seven: Result, eight: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept between what it wrote down and its file."""
    late, copy, ended = control.take(resource(MODEL, DAYS[1]), "late"), table_module._copy, []

    def slow(ledger: Ledger, result: Result, path: str) -> None:
        if not ended:
            ended.append(1)
            put(control, ledger, eight)
        copy(ledger, result, path)

    monkeypatch.setattr(table_module, "_copy", slow)
    with pytest.raises(FencedError):
        put(control, ledger, seven, late)
    found = standing(control, MODEL, DAYS[1])
    assert found is not None
    assert found.version == 8
    assert versions(ledger) == [(DAYS[1], 8)]


def test_a_file_that_is_gone_or_of_another_result_is_found_and_put_back(
    control: ControlStore, ledger: Ledger, seven: Result
) -> None:
    put(control, ledger, seven)
    path = path_of(MODEL, DAYS[1])
    ledger.storage.write(path, b"something else")
    assert [words for _, words in wrong(control, ledger.storage, MODEL)] == ["its file is of another result"]
    ledger.storage.delete(path)
    assert [words for _, words in wrong(control, ledger.storage, MODEL)] == ["its file is gone"]
    assert restore(control, ledger, MODEL, DAYS[1])
    assert not restore(control, ledger, MODEL, DAYS[1])
    assert versions(ledger) == [(DAYS[1], 7)]
