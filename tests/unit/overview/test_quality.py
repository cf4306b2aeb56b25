"""What is said of partitions: published, failed, landed, missing, late; and who acted on them."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from include.core.control import documents, partitions
from include.core.partition import Partition
from include.core.time import utc_now
from include.overview.quality import Extent, partitions_of, standing_lines
from include.validation.kept import VERDICTS
from tests.support.console_home import NAME, SIZE, Home
from tests.support.console_home import home as home

LAST = SIZE.first + timedelta(days=7 * SIZE.weeks - 1)


def test_a_line_says_the_newest_day_what_is_late_and_what_was_set_aside(home: Home) -> None:
    now = utc_now().replace(hour=12) + timedelta(days=3)
    (line,) = standing_lines(home.control, [home.model], now)
    due = now.date() - timedelta(days=1)
    assert (line["owner"], line["newest"], line["due"], line["published"]) == (NAME, str(LAST), str(due), 7 * SIZE.weeks)
    assert line["open"] == (due - LAST).days > 0
    assert line["late_seconds"] == (now - Partition.of_day(LAST + timedelta(days=1)).end).total_seconds()
    assert (line["last"]["day"], line["judged"], line["failed"]) == (str(LAST), 30, 0)
    assert line["quarantined"] > 0


def test_before_the_first_partition_nothing_is_due(home: Home) -> None:
    then = Partition.of_day(SIZE.first).end - timedelta(hours=1)
    assert Extent(home.model, then).last is None
    (line,) = standing_lines(home.control, [home.model], then)
    assert (line["due"], line["open"], line["late_seconds"]) == ("", 0, 0.0)
    assert partitions_of(home, home.model, then)["days"] == []  # type: ignore[arg-type]  # what it reads of an installation


def test_a_page_of_partitions_has_their_verdicts_and_leads_to_the_older_ones(home: Home) -> None:
    now = Partition.of_day(LAST).end + timedelta(hours=1)
    page = partitions_of(home, home.model, now, most=20)  # type: ignore[arg-type]
    assert [day["day"] for day in page["days"]] == [str(LAST - timedelta(days=n)) for n in range(20)]
    assert {day["state"] for day in page["days"]} == {"published"}
    held = [day for day in page["days"] if day["verdict"]["sources"]["things"]["quarantined"]]
    assert held
    assert all(day["verdict"]["sources"]["things"]["failed"][0]["unexpected"] > 0 for day in held)
    assert page["older"] == str(LAST - timedelta(days=20))
    oldest = partitions_of(home, home.model, now, Partition.of_day(SIZE.first), 20)  # type: ignore[arg-type]
    assert ([day["day"] for day in oldest["days"]], oldest["older"]) == ([str(SIZE.first)], "")


def test_what_is_not_published_is_said_by_how_far_it_came(home: Home) -> None:
    days = [Partition.of_day(LAST + timedelta(days=n)) for n in range(1, 5)]
    raw = home.folder / "store" / "raw" / NAME
    for source, present in (("things", days[:3]), ("weather", days[1:3])):
        for day in present:
            path = raw / source / day.path / "part.parquet"
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")
    body = {"day": str(days[2]), "at": "2099", "key": "validate/x", "generation": 0, "passed": False, "docs": "", "sources": {}}
    VERDICTS.save(home.control, "verdict/validate/x/0", NAME, body)
    page = partitions_of(home, home.model, days[3].end + timedelta(hours=1), most=5)  # type: ignore[arg-type]
    found = [(day["state"], day["absent"]) for day in page["days"]]
    assert found == [
        ("missing", ["things", "weather"]),
        ("failed", []),
        ("landed", []),
        ("partly landed", ["weather"]),
        ("published", []),
    ]
    assert [bool(day["no_verdict"]) for day in page["days"][:3]] == [False, False, True], "of what never landed none is missed"
    assert "slipstream quarantine" in page["days"][2]["no_verdict"]


def test_a_day_that_an_earlier_release_judged_is_known_by_what_it_published(home: Home) -> None:
    day = Partition.of_day(LAST - timedelta(days=1))
    said = documents.c.body["day"].as_string()
    with home.control.transaction() as connection:
        connection.execute(sa.delete(documents).where(documents.c.kind == VERDICTS.name, said == str(day)))
    page = partitions_of(home, home.model, day.end + timedelta(hours=1), most=1)  # type: ignore[arg-type]
    assert page["days"][0]["verdict"]["passed"] is True
    with home.control.transaction() as connection:
        here = sa.and_(partitions.c.model == NAME, partitions.c.day == str(day))
        connection.execute(
            partitions.update()
            .where(here)
            .values(ref={"uri": "ledger/features/gone/g0/result.json", "digest": "0", "kind": "features"})
        )
    page = partitions_of(home, home.model, day.end + timedelta(hours=1), most=1)  # type: ignore[arg-type]
    assert (page["days"][0]["verdict"], "cannot be read" in page["days"][0]["no_verdict"]) == (None, True)


def test_releases_and_replacements_are_told_with_who(home: Home) -> None:
    with home.control.transaction() as connection:
        home.control.append_audit(connection, "ann (Airflow)", "quarantine.release", NAME, {"day": str(LAST), "reason": "fixed"})
        home.control.append_audit(connection, "features", "replace_partition", f"{NAME}/{LAST}", {})
        home.control.append_audit(connection, "eve", "quarantine.release", f"{NAME}x", {})
    page = partitions_of(home, home.model, utc_now(), most=1)  # type: ignore[arg-type]
    assert [each["actor"] for each in page["acts"]] == ["features", "ann (Airflow)"]
