"""Nothing goes that somebody needs, whenever gc comes by; what goes, goes whole, and is computed anew when asked for."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core.compute import find_or_compute
from include.core.errors import DataError, IntegrityError, UnreachableError
from include.core.ledger import Attempt
from include.core.request import Outcome, Ref, Request
from include.core.settings import Settings
from include.costs.version import COSTS
from include.data.published import publish, resource
from include.governance.audit import history
from include.governance.lineage import trace
from include.monitoring.alarm import VERDICTS as ALARMS
from include.monitoring.windows import WINDOWS
from include.retention.holdings import holdings
from include.retention.ledger import Bounds, digest_of_kept
from include.retention.lifecycle import State, state_of
from include.retention.reachable import named
from include.validation.kept import VERDICTS
from tests.support.aged import killed_at
from tests.support.gc_world import World
from tests.support.toy_ledger import MODEL

AT_ONCE = Bounds.stopped(timedelta(days=30))
POINTS = (
    "gc.withdrawn.kept", "gc.condemn", "gc.condemned", "gc.withdraw", "gc.withdrawn", "gc.remove", "gc.removed", "gc.lift",
    "gc.lifted",
)  # fmt: skip


def steps(world: World, bounds: Bounds | None = None) -> set[tuple[str, str]]:
    """What a run does: (step of the ledger, what is done with it)."""
    return {(each.name.split("/")[1], each.step) for each in world.gc(bounds).done}


def test_what_is_new_or_needed_is_left_alone(world: World) -> None:
    world.registered()
    world.unneeded("young")
    before = world.files()
    assert world.gc().found == []
    world.pass_days(29)
    assert world.gc().found == []
    assert world.files() == before


def test_it_goes_in_three_steps_with_time_between_them(world: World) -> None:
    version = world.registered()
    gone = world.unneeded("old")
    whole = digest_of_kept(world.loop.ledger, world.control)
    world.pass_days(31)
    assert steps(world) == {("train", "condemned"), ("training_set", "condemned")}
    assert steps(world) == set(), "nothing more before the grace is over"
    assert world.loop.ledger.resolve(gone).digest == gone.digest, "who has the reference may still read it"
    world.pass_days(7)
    assert steps(world) == {("train", "withdrawn"), ("training_set", "withdrawn")}
    with pytest.raises(DataError, match="is gone"):
        world.loop.ledger.resolve(gone)
    assert steps(world) == set()
    world.pass_days(1)
    report = world.gc()
    assert {each.step for each in report.done} == {"removed"}
    assert report.freed > 99
    assert world.gc().found == []
    left = {path for path in world.files() if path.startswith(gone.uri.removesuffix("result.json"))}
    assert {path.rpartition("/")[2] for path in left} == {"collected.json"}, "no number of a generation is given twice"
    assert digest_of_kept(world.loop.ledger, world.control) == whole
    assert trace(world.loop.ledger, world.control, MODEL, version.version).intact


def test_a_dry_run_changes_nothing_and_says_what_would_be(world: World) -> None:
    world.unneeded("old")
    world.pass_days(31)
    before = world.files()
    report = world.gc(dry_run=True)
    assert {each.step for each in report.found} == {"condemned"}
    assert (report.done, report.freed) == ([], 0)
    assert world.files() == before


def test_where_nothing_runs_it_all_goes_at_once(world: World) -> None:
    world.registered()
    gone = world.unneeded("old")
    whole = digest_of_kept(world.loop.ledger, world.control)
    world.pass_days(31)
    assert {each.step for each in world.gc(AT_ONCE).done} == {"condemned", "withdrawn", "removed"}
    assert not any(path.endswith(".onnx") and path.startswith(gone.uri[:30]) for path in world.files())
    assert digest_of_kept(world.loop.ledger, world.control) == whole


def test_what_is_only_told_to_people_of_a_result_does_not_keep_it(world: World) -> None:
    world.registered()
    gone = world.unneeded("old")
    key = "/".join(gone.uri.split("/")[1:3])
    told = {"day": "2013-01-01", "key": key, "docs": f"{gone.uri.rpartition('/')[0]}/a1/docs.html"}
    assert VERDICTS.save(world.control, f"verdict/{key}/0", MODEL, told)
    world.pass_days(31)
    assert {each.step for each in world.gc(AT_ONCE).done} == {"condemned", "withdrawn", "removed"}
    assert not any(key in path and path.endswith(".onnx") for path in world.files())


def test_documents_that_copy_a_window_for_the_console_keep_no_result(world: World) -> None:
    loop = world.loop
    gone = loop.commit("monitor", {"of": "gone"}, {}, {"window": "a/b"}, {"report.html": b"<p>"})
    key, generation = "/".join(gone.uri.split("/")[1:3]), 0
    report = loop.ledger.resolve(gone).files["report.html"].path
    assert WINDOWS.save(world.control, f"window/{MODEL}/x", MODEL, {"window": "a/b", "report": report})
    assert ALARMS.save(world.control, f"monitored/{key}/{generation}", MODEL, {"as_of": "b", "alarms": {}})
    told = named(world.control, loop.ledger.storage)
    assert ((key, generation) in told.places, key in told.keys) == (False, False)
    assert COSTS.save(world.control, "cost/x", MODEL, {"of": report})
    assert (key, generation) in named(world.control, loop.ledger.storage).places, "what decides of it keeps it"


def test_an_old_generation_of_a_needed_key_goes_and_the_needed_one_stays(world: World) -> None:
    """A day was published, made anew, and published again: nothing refers to the first any more."""
    day = date(2013, 1, 1)
    first = world.published(day)
    ledger = world.loop.ledger
    request = ledger.request(ledger.resolve(first).key)
    again = ledger.open_generation(request.key, "run", "fresh")
    path = world.loop.scratch / "labels.parquet"
    path.write_bytes(b"other labels")
    made = ledger.commit(
        request, ledger.open_attempt(request.key, again), Outcome({"day": str(day)}, {"labels.parquet": path}), 0.1
    )
    publish(world.control, MODEL, day, ledger.ref(made), {"labels": 3}, world.control.take(resource(MODEL, day), "t"))
    world.pass_days(31)
    world.gc(AT_ONCE)
    assert ledger.result(request.key, 0) is None
    assert ledger.result(request.key) == made
    assert ledger.verify(made) == []


def test_what_a_result_that_stays_was_made_from_stays_with_it(world: World) -> None:
    """A monitoring result is looked back on by later ones; the training set it was made from is in no row."""
    loop = world.loop
    data = loop.commit("training_set", {"as_of": "x"}, {}, {"rows": 1}, {"train.parquet": b"rows"})
    loop.commit("monitor", {}, {"training_set": data}, {"window": "a/b"}, {"report.html": b"<p>"})
    world.pass_days(400)
    assert world.gc(AT_ONCE).found == []
    assert loop.ledger.verify(loop.ledger.resolve(data)) == []


@pytest.mark.parametrize("step", ["collect", "validate", "score", "import", "their_own_step"])
def test_steps_that_are_not_made_from_the_ledger_alone_are_never_touched(world: World, step: str) -> None:
    world.loop.commit(step, {}, {}, {"x": 1}, {"a.parquet": b"rows"})
    world.pass_days(4000)
    assert world.gc(AT_ONCE).found == []


def test_what_was_removed_is_computed_anew_when_it_is_asked_for(world: World) -> None:
    ledger, settings = world.loop.ledger, Settings.from_env({"SLIPSTREAM_HOME": str(world.home)})
    request = Request("tune", "tests.unit.retention.test_ledger:counted", "toy", {"n": 3}, {}, "c")
    first = find_or_compute(request, ledger, settings)
    assert find_or_compute(request, ledger, settings).reused
    for days, generation in ((31, 1), (7, 1), (1, 1), (1, 1)):
        world.pass_days(days)
        world.gc()
        again = find_or_compute(request, ledger, settings)
        assert again.result.digest == first.result.digest
        assert again.result.generation == generation, "who asks after it was condemned begins anew, and once"
    assert ledger.result(request.key, 0) is None


def counted(task: object) -> Outcome:
    return Outcome({"n": task.params["n"]})  # type: ignore[attr-defined]


def test_a_task_that_has_found_the_result_before_has_the_grace_to_use_it(world: World) -> None:
    """It holds the reference while gc condemns; then another step is made from it, which keeps it."""
    held = world.unneeded("held")
    world.pass_days(31)
    world.gc()
    world.pass_days(6)
    world.gc()
    made = world.loop.commit("evaluate", {}, {"train": held}, {"gate": {}}, {"report.html": b"<p>"})
    world.pass_days(2)
    assert steps(world) == {("train", "lifted"), ("training_set", "lifted")}
    assert world.loop.ledger.resolve(held).digest == held.digest
    assert not world.loop.ledger.is_collected(*_place(held))
    assert world.loop.ledger.resolve(made)


def test_one_that_is_written_down_after_it_was_withdrawn_is_brought_back(world: World) -> None:
    """The task resolved the reference before, and wrote the row after: the second wait is for it."""
    day = date(2013, 1, 5)
    ref = world.loop.day(day)
    world.pass_days(31)
    world.gc()
    world.pass_days(7)
    result = world.loop.ledger.resolve(ref)
    world.gc()
    publish(world.control, MODEL, day, world.loop.ledger.ref(result), {}, world.control.take(resource(MODEL, day), "t"))
    world.pass_days(1)
    assert ("features", "lifted") in steps(world)
    assert world.loop.ledger.resolve(ref) == result
    assert world.loop.ledger.verify(result) == []


def test_an_attempt_that_is_at_work_is_left_alone_however_long(world: World) -> None:
    ledger = world.loop.ledger
    request = Request("train", "m:run", "toy", {"long": True}, {}, "c")
    ledger.record(request)
    attempt = ledger.open_attempt(request.key, 0)
    ledger.storage.write(f"{attempt.checkpoints}/step-1", b"weights")
    world.pass_days(50)
    world.jobs.running = [attempt.job]
    assert world.gc(AT_ONCE).found == []
    world.jobs.running = []
    assert {each.kind for each in world.gc(AT_ONCE).done} == {"attempt"}
    assert list(ledger.storage.list(attempt.checkpoints)) == []
    assert ledger.current(request.key) == 1


def test_where_the_job_backend_does_not_answer_attempts_are_left_alone(world: World) -> None:
    ledger = world.loop.ledger
    ledger.open_attempt("train/" + "ab" * 16, 0)
    world.pass_days(50)

    def away() -> list[str]:
        raise UnreachableError("Ray is away.")

    world.jobs.under_way = away  # type: ignore[method-assign]
    report = world.gc(AT_ONCE)
    assert report.found == []
    assert report.unknown == {"jobs": "Ray is away."}


def test_a_zombie_that_commits_into_a_condemned_generation_takes_it_back(world: World, tmp_path: Path) -> None:
    ledger = world.loop.ledger
    request = Request("train", "m:run", "toy", {"zombie": True}, {}, "c")
    ledger.record(request)
    attempt = ledger.open_attempt(request.key, 0)
    world.pass_days(31)
    world.gc()
    (tmp_path / "m").write_bytes(b"late weights")
    result = ledger.commit(request, attempt, Outcome({}, {"m": tmp_path / "m"}), 1.0)
    world.pass_days(7)
    assert steps(world) == {("train", "lifted")}
    assert ledger.verify(result) == []


def test_checkpoints_of_a_finished_training_go_and_its_result_stays(world: World) -> None:
    version = world.registered()
    ledger, train = world.loop.ledger, version.entry.lineage.train
    key, generation = _place(train)
    attempt = Attempt(key, generation, 1)
    for name in ("checkpoints/step-1", "metrics/000000001", "metrics/run.json"):
        ledger.storage.write(f"{attempt.folder}/{name}", b"12345")
    world.pass_days(31)
    report = world.gc()
    assert {(str(each.kind), each.bytes) for each in report.done} == {("checkpoints", 5), ("metrics", 5)}
    assert ledger.storage.exists(f"{attempt.folder}/metrics/run.json"), "what says which run has them"
    assert ledger.verify(ledger.resolve(train)) == []


def test_where_it_cannot_be_known_what_something_was_made_from_nothing_goes(world: World) -> None:
    version = world.registered()
    world.unneeded("old")
    world.pass_days(31)
    world.loop.ledger.storage.delete(f"ledger/{_place(version.entry.lineage.train)[0]}/request.json")
    before = world.files()
    with pytest.raises(IntegrityError, match="cannot be known"):
        world.gc(AT_ONCE)
    assert world.files() == before


@pytest.mark.thorough
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_next_run_goes_on(world: World, point: str) -> None:
    version, gone = world.registered(), world.unneeded("old")
    lifted = world.loop.day(date(2013, 2, 1))
    whole = digest_of_kept(world.loop.ledger, world.control)
    world.pass_days(31)
    for days in (0, 7):
        world.pass_days(days)
        with killed_at(point):
            world.gc()
        world.gc()
    world.loop.commit("monitor", {}, {"day": lifted}, {"window": "a/b"}, {})  # needed again, after it was withdrawn
    for _ in range(4):
        world.pass_days(8)
        with killed_at(point):
            world.gc()
        world.gc()
    ledger = world.loop.ledger
    assert world.gc().found == []
    assert ledger.result(*_place(gone)) is None
    assert list(ledger.storage.list(gone.uri.replace("result.json", "a1"))) == []
    assert ledger.verify(ledger.resolve(lifted)) == []
    assert whole.items() <= digest_of_kept(ledger, world.control).items()
    assert trace(ledger, world.control, MODEL, version.version).intact


def test_killed_while_it_removes_a_result_is_never_brought_back_in_part(world: World) -> None:
    gone = world.unneeded("old")
    world.pass_days(31)
    world.gc()
    world.pass_days(7)
    world.gc()
    world.pass_days(1)
    with killed_at("gc.remove"):
        world.gc()
    world.loop.commit("monitor", {}, {"train": gone}, {"window": "a/b"}, {})
    assert not any(each.step == "lifted" and "/train/" in each.name for each in world.gc().done)
    held = holdings(world.loop.ledger.storage)[_place(gone)]
    assert state_of(held) is State.WITHDRAWN
    with pytest.raises(DataError, match="is gone"):
        world.loop.ledger.resolve(gone)


def test_the_audit_says_who_cleared_what_away(world: World) -> None:
    world.unneeded("old")
    world.pass_days(31)
    world.gc()
    (row,) = [row for row in history(world.control) if row.action == "gc"]
    assert (row.actor, row.subject) == ("tests", "storage")
    detail: Any = row.detail
    assert detail["due"]["result condemned"]["count"] == 2
    assert detail["days"] == {"grace": 7.0, "older_than": 30.0, "settle": 1.0}
    assert world.control.broken_audit_rows() == []


def _place(ref: Ref) -> tuple[str, int]:
    key, _, rest = ref.uri.removeprefix("ledger/").rpartition("/g")
    return key, int(rest.partition("/")[0])
