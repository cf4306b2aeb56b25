"""A version that its model's rule keeps no longer goes when nobody needs it, leaves its numbers, and never serves again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.acts import acts_in
from include.core.errors import DataError, SpecError
from include.core.given_up import given_up_of
from include.core.request import Outcome
from include.core.spec import Monitoring, Retention, VersionsKept
from include.experiments.machine import start_experiment
from include.forgetting.graph import Graph
from include.forgetting.models import learned
from include.governance.backtest import folds
from include.governance.comparison import compare
from include.governance.lineage import trace
from include.governance.node import State
from include.governance.registration import Inputs, propose
from include.governance.registry import register
from include.governance.registry import resource as registrations
from include.governance.relocation import unresolved
from include.governance.tree import render
from include.notebook.fits import find_fit
from include.retention.finding import Finding, Kind
from include.retention.ledger import Bounds, digest_of_kept
from include.retention.versions import UNSIGNED
from include.rollout.machine import open_rollout
from include.rollout.open_gate import open_gate
from include.rollout.restore import restore, restore_now
from include.routing.gateways import Identity, Report, report
from include.routing.route import Route, set_route
from include.serving.models.loaded_model import load_model
from include.versions.given_up import ACT, one
from include.versions.hold import hold, holds, release
from include.versions.lifecycle import Stage
from include.versions.queries import at_version
from include.versions.record import VersionRecord
from include.versions.shown import shown_records
from tests.support.aged import killed_at
from tests.support.experiment_log import plan
from tests.support.gc_world import World
from tests.support.toy_ledger import MODEL, SPEC
from tests.support.versions import move

AT_ONCE = Bounds.stopped(timedelta(days=30))
WHO = {"actor": "tom", "reason": "it was good"}
POINTS = (
    "gc.version.looked", "gc.version.locked", "gc.version.given_up", "gc.version.marked", "gc.version.shown", "gc.condemned",
    "gc.withdrawn", "gc.remove",
)  # fmt: skip


def ruled(days: int = 90, keep: int = 1) -> object:
    rule = Retention(versions=VersionsKept(days=days, keep=keep))
    return SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"retention": rule})})


@pytest.fixture
def three(world: World) -> World:
    """1 and 2 were made by a backfill, of training sets of their own; 3 is the newest, and has 2's. A hundred days ago."""
    for days, hidden in ((2, 8), (3, 8), (3, 9)):
        world.registered(days=days, hidden=hidden, auc=0.7 + 0.01 * days + 0.001 * hidden, run_type="backfill")
    world.spec, world.later = ruled(), timedelta(days=100)  # type: ignore[assignment]
    return world


def found(world: World) -> list[Finding]:
    return [each for each in world.gc(dry_run=True).found if each.kind is Kind.VERSION]


def record(world: World, version: int) -> VersionRecord:
    with world.control.transaction() as connection:
        return at_version(connection, MODEL, version)


def is_there(world: World, version: int, name: str = "train") -> bool:
    ref = getattr(record(world, version).entry.lineage, name)
    return any(path.startswith(ref.uri.removesuffix("result.json")) and "/a1/" in path for path in world.files())


def test_without_a_rule_or_before_its_days_nothing_goes(three: World) -> None:
    three.later = timedelta(days=89)
    assert found(three) == []
    three.spec, three.later = SPEC, timedelta(days=4000)
    assert found(three) == []


def test_a_dry_run_says_which_why_and_how_much(three: World) -> None:
    before = three.files()
    first, second = found(three)
    assert (first.name, second.name) == (f"{MODEL} version 1", f"{MODEL} version 2")
    assert "not among the newest 1: data.retention.versions (days=90, keep=1)" in first.why
    assert first.bytes > second.bytes > 0, "the training set that 3 has, too, would not be free"
    assert three.files() == before
    assert one(three.control, MODEL, 1) is None


def test_it_goes_with_its_files_and_stays_as_a_record(three: World) -> None:
    kept = digest_of_kept(three.loop.ledger, three.control)
    data = record(three, 1).entry.lineage.training_set
    three.loop.commit("monitor", {}, {"training_set": data}, {"window": "a/b"}, {"report.html": b"<p>"})
    report = three.gc(AT_ONCE)
    assert [each.name for each in report.done if each.step == "given up"] == [f"{MODEL} version 1", f"{MODEL} version 2"]
    there = {(n, name): is_there(three, n, name) for n in (1, 2, 3) for name in ("train", "training_set", "evaluation")}
    assert {place for place, is_held in there.items() if is_held} == {
        (2, "training_set"), (3, "train"), (3, "training_set"), (3, "evaluation"),
    }, "a later result that was made of it does not keep it; a version that is kept does"  # fmt: skip
    assert three.gc(AT_ONCE).found == []
    after = digest_of_kept(three.loop.ledger, three.control)
    assert {name: kept[name] for name in after if name in kept} == {name: after[name] for name in after if name in kept}
    assert trace(three.loop.ledger, three.control, MODEL, 3).intact
    gone = trace(three.loop.ledger, three.control, MODEL, 1)
    assert gone.intact
    assert "given up on" in render(gone)
    assert [each.given_up is not None for each in shown_records(three.control, MODEL)] == [True, True, False]
    assert unresolved(three.loop.ledger, three.control)[1] == []
    with three.control.transaction() as connection:
        said = acts_in(connection, MODEL, (ACT,))
    assert [(act.detail["version"], act.actor) for act in said] == [(1, "tests"), (2, "tests")]


def test_what_a_kept_version_lacks_is_missing_whatever_was_given_up(three: World) -> None:
    three.gc(AT_ONCE)
    ledger, lineage = three.loop.ledger, record(three, 3).entry.lineage
    ledger.storage.delete(lineage.training_set.uri)
    broken = trace(ledger, three.control, MODEL, 3)
    assert State.MISSING in {node.state for node in broken.root.walk()}
    assert not broken.intact


def test_its_numbers_outlive_it(three: World) -> None:
    ledger, control = three.loop.ledger, three.control
    before = folds(ledger, shown_records(control, MODEL))
    compared = compare(ledger, control, MODEL, 1, 3)
    three.gc(AT_ONCE)
    after = folds(ledger, shown_records(control, MODEL))
    assert [(each.version, each.rows, each.ours) for each in after] == [(each.version, each.rows, each.ours) for each in before]
    assert [bool(each.given_up) for each in after] == [True, True, False]
    again = compare(ledger, control, MODEL, 1, 3)
    assert {name: again[name] for name in again if name != "before"} == {n: compared[n] for n in compared if n != "before"}
    assert "given up" in str(again["before"])


def _routed(world: World, **route: int | None) -> None:
    with world.control.transaction() as connection:
        set_route(connection, MODEL, Route(**route))  # type: ignore[arg-type]


NEEDS: dict[str, Callable[[World], object]] = {
    "it is the champion": lambda world: _routed(world, champion=1),
    "a rollback returns to it": lambda world: _routed(world, champion=3, previous=1),
    "it is in shadow": lambda world: _routed(world, champion=3, shadow=1),
    "its rollout is live": lambda world: _routed(world, champion=3, challenger=1),
    "held by tom": lambda world: (_routed(world, champion=3), hold(world.control, MODEL, 1, **WHO)),
}


def test_one_that_somebody_needs_stays_and_the_run_says_why(three: World) -> None:
    for why, make in NEEDS.items():
        make(three)
        report = three.gc(AT_ONCE, dry_run=True)
        assert why in report.kept[f"{MODEL} version 1"]
        assert f"{MODEL} version 1" not in {each.name for each in report.found}
    three.gc(AT_ONCE)
    assert {n: one(three.control, MODEL, n) is not None for n in (1, 2)} == {1: False, 2: True}
    assert is_there(three, 1)


def test_a_candidate_waits_for_its_rollout_however_long(three: World) -> None:
    move(three.control, MODEL, 1, Stage.CANDIDATE, "t")
    three.later = timedelta(days=4000)
    assert three.gc(AT_ONCE).kept == {f"{MODEL} version 1": "it waits for its rollout"}


def test_a_training_under_way_that_began_from_it_keeps_it(three: World) -> None:
    ledger, parent = three.loop.ledger, record(three, 1).entry.lineage.train
    made = ledger.request(ledger.resolve(parent).key)
    request = type(made)("train", made.function, MODEL, {"warm": True}, {"champion": parent}, "c9")
    ledger.record(request)
    three.jobs.running = [ledger.open_attempt(request.key, 0).job]
    assert request.key in three.gc(AT_ONCE).kept[f"{MODEL} version 1"]
    assert is_there(three, 1)


def test_nothing_goes_while_a_gateway_follows_an_earlier_route(three: World) -> None:
    _routed(three, champion=1)
    report(three.control, Identity("g1", "127.0.0.1:8500", "here", 7, "1", "2013-01-01"), Report({MODEL: 1}))
    _routed(three, champion=3)
    assert "not all gateways follow route 2 yet" in three.gc(AT_ONCE).kept[f"{MODEL} version 1"]
    report(three.control, Identity("g1", "127.0.0.1:8500", "here", 7, "1", "2013-01-01"), Report({MODEL: 2}))
    three.gc(AT_ONCE)
    assert one(three.control, MODEL, 1) is not None


def test_a_move_counts_as_use(three: World) -> None:
    move(three.control, MODEL, 2, Stage.ARCHIVED, "t")
    three.later = timedelta(days=89)
    assert found(three) == []
    three.later = timedelta(days=91)
    assert [each.name for each in found(three)] == [f"{MODEL} version 1", f"{MODEL} version 2"]


@pytest.mark.thorough
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_the_next_run_goes_on(three: World, point: str) -> None:
    with killed_at(point):
        three.gc(AT_ONCE)
    for _ in range(2):
        three.gc(AT_ONCE)
    assert [n for n in (1, 2, 3) if is_there(three, n)] == [3]
    mark = given_up_of(three.loop.ledger.storage, record(three, 1).entry.lineage.train.key, 0)
    assert mark is not None
    assert (mark.version, trace(three.loop.ledger, three.control, MODEL, 1).intact) == (1, True)
    with three.control.transaction() as connection:
        assert len(acts_in(connection, MODEL, (ACT,))) == 2
    files = [*three.loop.ledger.storage.list(f"registry/{MODEL}/versions/1")]
    assert [path.rpartition("/")[2] for path in files] == ["card.md", "key"]


def test_a_restore_that_comes_first_wins(three: World) -> None:
    """It falls between the look of gc and its transaction."""
    from include.core import fault

    before, passed = fault._passed, [0]

    def point(name: str) -> None:
        if name == "gc.version.looked" and not passed[0]:
            passed[0] = 1
            restore(three.control, three.loop.ledger, MODEL, 1, **WHO, despite_gate=True)

    fault._passed = point
    try:
        done = three.gc(AT_ONCE)
    finally:
        fault._passed = before
    assert one(three.control, MODEL, 1) is None
    assert record(three, 1).stage is Stage.CANDIDATE
    assert is_there(three, 1)
    assert f"{MODEL} version 2" in {each.name for each in done.done}


def _registered_again(world: World) -> object:
    """Its training was cleared: computed anew, and by chance with other weights."""
    ledger, lineage = world.loop.ledger, record(world, 1).entry.lineage
    made = ledger.request(lineage.train.key)
    data = world.loop.training_set(2)
    model, judged = world.loop.scratch / "model.onnx", world.loop.scratch / "signature.json"
    attempt = ledger.open_attempt(made.key, ledger.current(made.key))
    model.write_bytes(b"other weights")
    value = {"metrics": {"loss": 0.3}}
    result = ledger.commit(made, attempt, Outcome(value, {"model.onnx": model, "signature.json": judged}), 0.1)
    measured = world.loop.evaluate(data, ledger.ref(result))
    package = propose(ledger, SPEC, Inputs(ledger.ref(result), data, measured), as_of="2013-04-01T00:00:00")
    return register(world.control, FolderRegistry(ledger.storage), package, world.control.take(registrations(MODEL), "t"))


def _experiment(world: World) -> object:
    return start_experiment(world.control, MODEL, plan(), 1, request="r", actor="t", epoch=world.control.take("e", "t"))


def _rollout(world: World) -> object:
    epoch = world.control.take(f"rollout/{MODEL}", "t")
    return open_rollout(world.control, SPEC, 1, request="r", actor="t", epoch=epoch, by_hand=True)


WAYS: dict[str, Callable[[World], object]] = {
    "restore": lambda world: restore(world.control, world.loop.ledger, MODEL, 1, **WHO),
    "restore now": lambda world: restore_now(world.control, world.loop.ledger, MODEL, 1, **WHO),
    "open its gate": lambda world: open_gate(world.control, world.loop.ledger, MODEL, 1, **WHO),
    "roll out": _rollout,
    "try": _experiment,
    "load": lambda world: load_model(world.control, world.loop.ledger, SPEC, 1, world.loop.scratch),
    "hold": lambda world: hold(world.control, MODEL, 1, **WHO),
    "compare a fit with it": lambda world: find_fit(world, MODEL, 1),  # type: ignore[arg-type]
    "register again": _registered_again,
    "read its model": lambda world: world.loop.ledger.resolve(record(world, 1).entry.lineage.train),
}


def test_it_can_never_be_served_again(three: World) -> None:
    _routed(three, champion=3)
    three.gc(AT_ONCE)
    before = [each.version for each in shown_records(three.control, MODEL)]
    for way, go in WAYS.items():
        with pytest.raises(DataError, match=r"given up on .* by data\.retention\.versions") as refused:
            go(three)
        assert refused.value.safe, way
        assert refused.value.hint, way
    assert [each.version for each in shown_records(three.control, MODEL)] == before


def test_who_is_forgotten_is_told_that_it_learned_of_them(three: World) -> None:
    three.gc(AT_ONCE)
    ledger = three.loop.ledger
    day = three.loop.day(date(2013, 1, 1))
    told = learned(three.control, Graph.of(ledger, [MODEL]), [day.key])
    assert {(each.version, bool(each.given_up)) for each in told} == {(1, True), (2, True), (3, False)}


def test_its_number_is_never_used_again(three: World) -> None:
    three.gc(AT_ONCE)
    assert three.registered(days=1, run_type="backfill").version == 4


def test_a_regulated_model_keeps_a_dossier_of_what_goes(three: World) -> None:
    three.spec = three.spec.model_copy(update={"profile": "regulated"})
    assert three.gc(AT_ONCE).kept[f"{MODEL} version 1"] == UNSIGNED
    made: list[int] = []

    def dossier(model: str, version: int, last: str) -> str:
        assert last == record(three, version).created_at
        assert is_there(three, version), "it is made while all is there"
        made.append(version)
        return f"dossiers/{model}/v{version}.json"

    three.dossier = dossier
    three.gc(AT_ONCE)
    gone = one(three.control, MODEL, 1)
    assert gone is not None
    assert (gone.dossier, made) == (f"dossiers/{MODEL}/v1.json", [1, 2])


def test_a_hold_is_let_go_by_a_person_with_a_reason(three: World) -> None:
    with pytest.raises(DataError, match="needs a reason"):
        hold(three.control, MODEL, 1, actor="tom", reason=" . ")
    hold(three.control, MODEL, 1, **WHO)
    assert [*holds(three.control, MODEL)] == [1]
    assert release(three.control, MODEL, 1, actor="ann", reason="the case is closed").actor == "tom"
    three.gc(AT_ONCE)
    assert one(three.control, MODEL, 1) is not None


def test_the_rule_keeps_what_monitoring_reads_back() -> None:
    for days, fits in ((27, False), (28, True)):
        values = {
            **SPEC.model_dump(exclude={"profile", "profile_exceptions"}),
            "monitoring": Monitoring(window_days=7, label_wait=2),
        }
        values["data"] = SPEC.data.model_copy(update={"retention": Retention(versions=VersionsKept(days=days))})
        if fits:
            type(SPEC)(**values)
        else:
            with pytest.raises(SpecError, match="less than monitoring reads back: 28"):
                type(SPEC)(**values)


def test_the_bytes_of_a_model_from_elsewhere_go_once_no_version_is_made_of_them(world: World) -> None:
    loop, storage = world.loop, world.loop.ledger.storage
    for number in (1, 2):
        path = f"imported/{MODEL}/d{number}/model"
        storage.write(path, b"as it was given")
        made = {"model.onnx": b"m%d" % number, "signature.json": b'{"inputs": [], "schema": "s"}'}
        ref = loop.commit("import", {"source": {"path": path, "digest": f"d{number}"}}, {}, {"metrics": {}}, made)
        judged = loop.evaluate(ref, ref, auc=0.7 + number / 100)
        package = propose(loop.ledger, SPEC, Inputs(ref, ref, judged), as_of="2013-04-01T00:00:00", run_type="backfill")
        register(world.control, FolderRegistry(storage), package, world.control.take(registrations(MODEL), "t"))
    world.spec, world.later = ruled(), timedelta(days=100)
    world.gc(AT_ONCE)
    world.gc(AT_ONCE)
    assert [*storage.list("imported")] == [f"imported/{MODEL}/d2/model"]
    assert not any(
        f"ledger/import/{record(world, 1).entry.lineage.train.key.partition('/')[2]}/g0/a1" in p for p in world.files()
    )
    assert trace(loop.ledger, world.control, MODEL, 1).intact
