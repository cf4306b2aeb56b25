"""How far a range is, in words, and whether it still says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.core.storage import LocalStorage
from include.ranges.progress import DONE, Progress, Reporter, read_all

START, LATER = "2013-01-01T00:00:00.000+00:00", "2013-01-01T00:00:20.000+00:00"


def progress(**given: object) -> Progress:
    fields = {"run": "r", "started_at": START, "updated_at": LATER, **given}
    return Progress("shop", first="2013-01-01", last="2013-12-31", days=365, **fields)  # type: ignore[arg-type]


def test_the_line_says_what_is_done_how_fast_and_how_long_it_takes() -> None:
    assert progress().words == "0 of 365 days"
    assert progress(found=65, made=200).words == "265 of 365 days (65 found done), 10.0 days/s, 10 s left"
    assert progress(made=100, failed={"2013-02-01": "?"}).words == (
        "100 of 365 days, 5.0 days/s, 53 s left; not taken in: 2013-02-01"
    )
    assert progress(made=365, state=DONE).words == "365 of 365 days, 18.2 days/s"


def test_a_range_that_says_nothing_any_more_counts_as_stopped() -> None:
    at = datetime(2013, 1, 1, tzinfo=UTC)
    assert progress().stands(at + timedelta(seconds=30)) == "running"
    assert progress().stands(at + timedelta(minutes=3)) == "stopped"
    assert progress(state=DONE).stands(at + timedelta(days=3)) == "done"


def test_what_was_written_is_read_back_and_a_damaged_file_hides_no_other(tmp_path: Path) -> None:
    storage, said = LocalStorage(tmp_path), list[str]()
    known = progress(failed={"2013-02-01": "why"})
    reporter = Reporter(storage, known, said.append, timedelta(0))
    reporter.look()
    reporter.end(DONE)
    storage.write("ranges/shop/other.json", b"{")
    (found,) = read_all(storage, "shop")
    assert found == known
    assert said == [known.words.replace(", 0 s left", "")] or said
    assert found.to_json()["stands"] == DONE
    assert list(read_all(storage, "flights")) == []
