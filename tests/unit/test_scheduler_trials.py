"""What the scheduler-level trials say of a trial; and how the recovery bench parts a fit into phases."""

from __future__ import annotations

import pytest

from benchmarks.recovery import Course
from include.core.errors import UnreachableError
from tests.chaos.scheduler.__main__ import section
from tests.chaos.scheduler.trials import Trial


def failing() -> tuple[float, list[str]]:
    raise UnreachableError("Airflow does not answer.")


def waiting_in_vain() -> tuple[float, list[str]]:
    pytest.fail("not within 1 s")


def test_a_trial_is_good_without_problems_and_in_time() -> None:
    assert Trial("killed", "again", limit=30).run(lambda: (29.0, [])).good
    assert not Trial("killed", "again", limit=30).run(lambda: (31.0, [])).good
    assert not Trial("killed", "again").run(lambda: (1.0, ["polling: 2 processes of its job live"])).good


@pytest.mark.parametrize("story", [failing, waiting_in_vain])
def test_an_interrupted_trial_is_a_violation_and_the_others_go_on(story: object) -> None:
    trial = Trial("killed", "again").run(story)  # type: ignore[arg-type]
    assert not trial.good
    assert len(trial.problems) == 1


def test_the_section_names_what_was_violated() -> None:
    trials = [Trial("one", "again", 3.0), Trial("two", "again", 31.0, 30.0), Trial("three", "again", 1.0, problems=["a|b\nc"])]
    one, two, three = [line for line in section(trials, 1.0).splitlines() if line.startswith(("| one", "| two", "| three"))]
    assert "no job lost" in one
    assert "later than 30 s" in two
    assert "**violated**: a/b c" in three


def test_phases_follow_the_processes() -> None:
    def stamp(what: str, at: float, pid: int, started: float) -> dict[str, object]:
        return {"what": what, "at": at, "pid": pid, "started": started}

    stamps = (
        stamp("fit", 5.0, 1, 2.0), stamp("model", 20.0, 2, 9.0), stamp("checkpoint", 21.0, 2, 9.0), stamp("kill", 22.0, 2, 9.0),
        stamp("model", 40.0, 3, 25.0), stamp("checkpoint", 41.0, 3, 25.0),
    )  # fmt: skip
    phases = Course(0.0, 44.0, stamps).phases()
    assert (phases["job process starts"], phases["its imports"], phases["workers start"]) == (2.0, 3.0, 4.0)
    assert (phases["fit's imports"], phases["kill to new process"], phases["its imports again"]) == (11.0, 3.0, 15.0)
    assert (phases["kill to next checkpoint"], phases["rest"]) == (19.0, 3.0)
