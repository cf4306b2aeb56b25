"""A metric that is of the raw partitions: an author's SQL, day by day, without the rows that expectations refuse."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.core.errors import DataError, NotReadyError, SpecError
from include.core.spec import Metric
from include.experiments.heard import hear
from include.services.services import Services
from tests.support.operator_runs import MODEL, Life, day, midnight, settle_in

FIRST = midnight(day(1)).replace(tzinfo=None)
HERE = "tests.unit.services.test_metric_tables"


def returned() -> str:
    return "SELECT id AS request_id, came_back AS value, known_at AS event_timestamp FROM returns"


def zoned() -> str:
    return "SELECT id AS request_id, 2.0 AS value, known_at::TIMESTAMPTZ AS event_timestamp FROM returns LIMIT 1"


def nameless() -> str:
    return "SELECT id, came_back FROM returns"


def unknown() -> str:
    return "SELECT id AS request_id, NULL AS value, known_at AS event_timestamp FROM returns"


def files() -> str:
    return "SELECT * FROM read_csv('/etc/passwd')"


def metric(table: str) -> Metric:
    return Metric(name="returned", table=f"{HERE}:{table}")


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    made = settle_in(tmp_path, monkeypatch)
    for number in (1, 2):
        Life(made).land(day(number))
    return made


def test_the_rows_of_each_day_are_what_the_sql_says(services: Services) -> None:
    rows = list(services.tables(MODEL)(metric("returned"), FIRST, FIRST + timedelta(days=1, hours=5)))
    assert len(rows) == 400
    assert rows[0].at == FIRST + timedelta(hours=23, minutes=59)
    assert {row.value for row in rows} == {0.0, 1.0}
    (one,) = services.tables(MODEL)(metric("zoned"), FIRST, FIRST)
    assert one.at == FIRST + timedelta(hours=23, minutes=59)


def test_what_was_known_by_the_cutoff_is_heard(services: Services, tmp_path: Path) -> None:
    wanted = metric("returned")
    cutoff = FIRST + timedelta(days=1, hours=5)
    heard = hear(tmp_path, MODEL, [wanted], FIRST, cutoff, services.tables(MODEL))
    assert len(heard.outcomes["returned"]) == 200  # of the second day nothing was known before its end
    with pytest.raises(DataError, match="is of a table"):
        hear(tmp_path, MODEL, [wanted], FIRST, cutoff)


def test_a_day_that_has_not_landed_is_waited_for(services: Services) -> None:
    with pytest.raises(NotReadyError, match="partition of 2013-01-03 has not landed"):
        list(services.tables(MODEL)(metric("returned"), FIRST, FIRST + timedelta(days=2)))
    ended = datetime(2013, 3, 1)  # noqa: DTZ001 - after the spec's last day, which bounds what is waited for
    with pytest.raises(NotReadyError, match="2013-01-03"):
        list(services.tables(MODEL)(metric("returned"), FIRST, ended))


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ("nameless", DataError, "does not give request_id, value, event_timestamp"),
        ("unknown", DataError, "is not a request_id, a number and a timestamp"),
        ("files", SpecError, "was refused"),
    ],
)
def test_bad_sql_is_refused(services: Services, table: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        list(services.tables(MODEL)(metric(table), FIRST, FIRST))
