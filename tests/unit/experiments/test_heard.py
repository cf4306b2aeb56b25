"""What the log says of a time: firsts, repeats, contested ids, and values that nobody can count with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from include.core.time import microseconds
from include.experiments.heard import hear
from tests.support.experiment_log import MODEL, SALE, START, outcome, prediction, write

HOUR = timedelta(hours=1)


def test_the_first_written_counts_and_nothing_after_the_cutoff(tmp_path: Path) -> None:
    write(tmp_path, [
        prediction("a", "ann", START + HOUR, "challenger"), prediction("a", "ann", START, "champion"),
        outcome("a", "sale", 0.0, START + 3 * HOUR), outcome("a", "sale", 1.0, START + 2 * HOUR),
        outcome("a", "sale", 5.0, START + 9 * HOUR), outcome("a", "other", 1.0, START),
    ])  # fmt: skip
    heard = hear(tmp_path, MODEL, [SALE], START, START + 8 * HOUR)
    assert heard.asked["a"].arm == "champion"
    assert heard.outcomes == {"sale": {"a": (microseconds(START + 2 * HOUR), 1.0)}}
    assert heard.repeated == 1


def test_an_id_of_two_entities_counts_for_none(tmp_path: Path) -> None:
    write(tmp_path, [prediction("a", "ann", START), prediction("a", "bob", START), prediction("b", "bob", START)])
    heard = hear(tmp_path, MODEL, [], START, START + HOUR)
    assert set(heard.asked) == {"b"}
    assert heard.contested == 1


def test_a_value_that_cannot_be_squared_is_counted_as_such(tmp_path: Path) -> None:
    write(tmp_path, [prediction("a", "ann", START), outcome("a", "sale", 1e300, START)])
    heard = hear(tmp_path, MODEL, [SALE], START, START + HOUR)
    assert heard.unusable == 1
    assert heard.outcomes["sale"] == {}
