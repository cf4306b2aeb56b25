"""Four eyes: every way by which a version could come before traffic, or become the champion, without the second person.

What moves traffic is `set_route`, and who calls it is listed here from the sources: a new caller fails this test until it stands
in the table with what it asks. Then each way is tried on a model whose rollout asks two persons, of whom one has said yes.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, versions
from include.core.digest import PROJECT
from include.core.errors import ApprovalMissing, ConflictError, GateClosed, NotAllowedError, SlipstreamError
from include.core.ledger import Ledger
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.core.time import now
from include.experiments.machine import start_experiment
from include.rollout.after_verdict import Found, doubt
from include.rollout.approval_gate import Standing
from include.rollout.approvals import Answer, approval, ask, decide
from include.rollout.history import Rollout, live_rollout, read_rollout
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict, roll_back
from include.rollout.open_gate import open_gate
from include.rollout.pause import abort, pause, resume
from include.rollout.restore import restore, restore_now
from include.rollout.rollback import roll_back_model
from include.rollout_state.approval import Person
from include.routing.route import Route, read_route
from tests.support.approval import (
    ANN,
    MODEL,
    PASS,
    TRAINER,
    asking,
    at_the_gate,
    evaluated,
    later,
    say,
    store_of_versions,
    trained,
)
from tests.support.experiment_log import plan
from tests.support.rollout_spec import rollout_spec

# Who writes a route, and what stands before it where a rollout asks persons.
WRITERS = {
    "include/rollout/machine.py:enter_stage": "require_approved_in",
    "include/rollout/machine.py:promote": "require_approved_in",
    "include/rollout/machine.py:revert_route": "the way back to the champion, which is never held back",
    "include/rollout/restore.py:restore_now": "require_return_in",
    "include/rollout/rollback.py:_return_to_previous": "the way back to the champion before, which is never held back",
    "include/experiments/machine.py:start_experiment": "_require_nobody_asked",
    "include/experiments/machine.py:_end": "the way back to the champion, which is never held back",
}
NOBODY = rollout_spec(MODEL, {"shadow_tolerance": 0.2, "margin": 5})
WHO: dict[str, Any] = {"actor": "tom", "reason": "it is good"}
FIRST, TRIED = 1, 2  # the champion, and the version that waits with one yes of two


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, and copied for each way: version 1 serves, version 2 waits for two persons, and one has said yes."""
    folder = tmp_path_factory.mktemp("waits")
    store = store_of_versions(folder)
    epoch = store.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(store, NOBODY, FIRST, request="first", actor="t", epoch=epoch)
    for stage in rollout.stages:
        enter_stage(store, rollout, stage.name, epoch)
        record_verdict(store, rollout, stage.name, PASS, epoch)
    promote(store, rollout, actor="t", epoch=epoch)
    trained(store, TRIED)
    _, _, standing = at_the_gate(store, asking(persons=2), TRIED)
    say(store, standing, ANN)
    store.engine.dispose()
    return folder


@pytest.fixture
def control(tmp_path: Path, _made: Path) -> ControlStore:
    shutil.copytree(_made, tmp_path, dirs_exist_ok=True)
    return ControlStore(f"sqlite:///{tmp_path / 'control.db'}")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(LocalStorage(tmp_path / "store"))


def test_who_moves_traffic_stands_in_the_table() -> None:
    assert sorted(_callers({"set_route"})) == sorted(WRITERS)


def test_no_module_takes_it_under_another_name() -> None:
    """What is called under an alias, or by its text, would be missing from the list of callers."""
    hidden = {"set_route", "set_production"}
    for path, text in ((path, path.read_text()) for path in _python()):
        for node in ast.walk(ast.parse(text)) if any(name in text for name in hidden) else ():
            aliased = isinstance(node, ast.ImportFrom) and any(
                each.name in hidden and each.asname not in (None, each.name) for each in node.names
            )
            assert not aliased, path
            assert not (isinstance(node, ast.Constant) and node.value in hidden), path


def test_who_makes_a_champion_is_one_of_them() -> None:
    """Moving a stage to Production gives nobody traffic; it is done where the route is."""
    makers = set(_callers({"set_production"}))
    assert makers <= set(WRITERS)


def test_the_tables_of_routes_and_rollouts_are_written_by_their_owners_alone() -> None:
    """tests/unit/test_table_owners.py has them all; here those that four eyes stand on."""
    writing = {
        str(path.relative_to(PROJECT))
        for path in _python()
        if any(f"{table}.{verb}(" in path.read_text() for table in ("routes", "rollout_events") for verb in ("insert", "update"))
    }
    assert writing == {
        "include/routing/route.py", "include/rollout/machine.py", "include/rollout/pause.py", "include/rollout/driver.py",
        "include/rollout/approvals.py",
    }  # fmt: skip


Attempt = Callable[[ControlStore, Ledger, Rollout, int, Standing], object]


def _decide(by: Person, **more: Any) -> Attempt:
    def attempt(control: ControlStore, ledger: Ledger, rollout: Rollout, epoch: int, standing: Standing) -> object:
        return say(control, standing, by, **more)

    return attempt


def _reopened(spec: ModelSpec) -> Attempt:
    """End it, and open it anew by a spec that asks less."""

    def attempt(control: ControlStore, ledger: Ledger, rollout: Rollout, epoch: int, standing: Standing) -> object:
        abort(control, MODEL, **WHO)
        restore(control, ledger, MODEL, TRIED, **WHO)
        return at_its_gate(control, spec, "again")

    return attempt


def at_its_gate(control: ControlStore, spec: ModelSpec, request: str) -> object:
    epoch = control.take(f"rollout/{MODEL}", "tom")
    rollout = open_rollout(control, spec, TRIED, request=request, actor="tom", epoch=epoch, by_hand=True)
    for stage in rollout.stages:
        enter_stage(control, rollout, stage.name, epoch)
        record_verdict(control, rollout, stage.name, PASS, epoch)
    return promote(control, rollout, actor="tom", epoch=epoch)


WAYS: dict[str, Attempt] = {
    "the stage is entered": lambda c, ledger, r, e, s: enter_stage(c, r, "full_100", e),
    "the stage is entered with a fence of one's own": lambda c, ledger, r, e, s: enter_stage(
        c, r, "full_100", c.take(r.resource, "tom")
    ),
    "the verdict is written without the stage, and it is promoted": lambda c, ledger, r, e, s: (
        record_verdict(c, r, "full_100", PASS, e), promote(c, r, actor="tom", epoch=e),
    ),
    "it is promoted": lambda c, ledger, r, e, s: promote(c, r, actor="tom", epoch=e),
    "it is paused, resumed and entered": lambda c, ledger, r, e, s: (
        pause(c, MODEL, **WHO), resume(c, MODEL, **WHO), enter_stage(c, r, "full_100", e),
    ),
    "an earlier stage is entered again": lambda c, ledger, r, e, s: (
        enter_stage(c, r, "canary_5", e), enter_stage(c, r, "full_100", e),
    ),
    "the rollout is opened again by another run": lambda c, ledger, r, e, s: (
        open_rollout(c, NOBODY, TRIED, request="another", actor="tom", epoch=e, by_hand=True), enter_stage(c, r, "full_100", e),
    ),
    "with an override of the gate": lambda c, ledger, r, e, s: (
        open_rollout(c, NOBODY, TRIED, request="o", actor="tom", epoch=e, by_hand=True, override="because I say so"),
        enter_stage(c, r, "full_100", e),
    ),
    "it returns at once": lambda c, ledger, r, e, s: restore_now(c, ledger, MODEL, TRIED, **WHO),
    "it returns at once despite its gate": lambda c, ledger, r, e, s: restore_now(
        c, ledger, MODEL, TRIED, **WHO, despite_gate=True, spec=NOBODY
    ),
    "it is rolled back, and returns at once": lambda c, ledger, r, e, s: (
        abort(c, MODEL, **WHO), restore_now(c, ledger, MODEL, TRIED, **WHO, spec=NOBODY),
    ),
    "it is rolled back, offered again, and rolled out by a spec that asks nobody": _reopened(NOBODY),
    "the same by a spec that asks one person": _reopened(asking(persons=1)),
    "the same with its gate opened by hand": lambda c, ledger, r, e, s: (
        abort(c, MODEL, **WHO), evaluated(c, TRIED), closed(c), open_gate(c, ledger, MODEL, TRIED, **WHO),
        at_its_gate(c, NOBODY, "by hand"),
    ),
    "an experiment gives it all traffic": lambda c, ledger, r, e, s: start_experiment(
        c, MODEL, plan(), TRIED, request="e", actor="tom", epoch=c.take(f"experiment/{MODEL}", "tom")
    ),
    "the first person says yes once more": _decide(ANN),
    "under another spelling": _decide(Person("ANN", " Ann ")),
    "with another id": _decide(Person("77", "ann")),
    "with another name": _decide(Person("ann", "somebody")),
    "whoever trained it says yes": _decide(TRAINER),
    "whoever trained it says yes by another id": _decide(Person("4711", "Tom")),
    "whoever asked for it by the platform's login says yes": lambda c, ledger, r, e, s: (
        abort(c, MODEL, **WHO), restore(c, ledger, MODEL, 3, **WHO), trained(c, 3, "platform, Sue"),
        say(c, at_the_gate(c, asking(persons=2), 3, "hers")[2], Person("sue", "sue")),
    ),
    "the platform's login says yes to what it trained for another": lambda c, ledger, r, e, s: (
        abort(c, MODEL, **WHO), restore(c, ledger, MODEL, 3, **WHO), trained(c, 3, "platform, Sue"),
        say(c, at_the_gate(c, asking(persons=2), 3, "theirs")[2], Person("9", "platform")),
    ),
    "a yes given before the judge doubted it counts": lambda c, ledger, r, e, s: (
        doubt(c, r, Found("canary_20", "doubted", {**PASS, "reasons": ["both arms fail"]}), e, now()),
        say(c, approval_now(c, r), Person("bob", "bob")), enter_stage(c, r, "full_100", e),
    ),
    "nobody says yes": _decide(Person("", "")),
    "somebody says yes to what it was before": _decide(Person("bob", "bob"), seen="0" * 64),
    "somebody says yes without a reason": _decide(Person("bob", "bob"), reason=" "),
    "the version changes after the second yes": lambda c, ledger, r, e, s: (
        say(c, s, Person("bob", "bob")), evaluated(c, TRIED, auc=0.4), enter_stage(c, r, "full_100", e),
    ),
    "the yes of another rollout counts": lambda c, ledger, r, e, s: (
        abort(c, MODEL, **WHO), restore(c, ledger, MODEL, TRIED, **WHO), at_the_gate(c, asking(persons=2), TRIED, "next"),
        decide(c, MODEL, TRIED, Answer(True, Person("bob", "bob"), "fine as it was", s.seen, "console")),
    ),
}  # fmt: skip


def approval_now(control: ControlStore, rollout: Rollout) -> Standing:
    standing = approval(control, rollout.id)
    assert standing is not None
    return standing


def waits(control: ControlStore) -> tuple[Rollout, int, Standing]:
    """The rollout of the version that has one yes of two, with a fence that holds."""
    rollout = live_rollout(control, MODEL)
    assert rollout is not None
    standing = approval(control, rollout.id)
    assert standing is not None
    return rollout, control.take(rollout.resource, "tom"), standing


def closed(control: ControlStore) -> None:
    """Evaluated again, and refused."""
    mine = sa.and_(versions.c.model == MODEL, versions.c.version == TRIED)
    with control.transaction() as connection:
        record = {"gate": {"passed": False, "reasons": ["auc 0.4 is low"]}}
        connection.execute(versions.update().where(mine).values(record=record, stage="Archived"))


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_around_the_second_person(control: ControlStore, ledger: Ledger, way: str) -> None:
    with pytest.raises(SlipstreamError) as refused:
        WAYS[way](control, ledger, *waits(control))
    assert isinstance(refused.value, ApprovalMissing | GateClosed | ConflictError | NotAllowedError) or "reason" in str(
        refused.value
    )
    route = read_route(control, MODEL)[1]
    assert (route.champion, route.weight < 100, route.experiment) == (FIRST, True, None)
    assert control.broken_audit_rows() == []


def test_the_second_person_opens_it(control: ControlStore) -> None:
    """What the table above tries is refused for want of them, and of nothing else."""
    rollout, epoch, standing = waits(control)
    say(control, standing, Person("bob", "bob"))
    enter_stage(control, rollout, "full_100", epoch)
    record_verdict(control, rollout, "full_100", PASS, epoch)
    promote(control, rollout, actor="t", epoch=epoch)
    assert read_route(control, MODEL)[1] == Route(champion=TRIED, previous=FIRST)


def test_before_traffic_no_request_reaches_it_by_a_stage_or_an_experiment(control: ControlStore, ledger: Ledger) -> None:
    abort(control, MODEL, **WHO)
    restore(control, ledger, MODEL, TRIED, **WHO)
    rollout, epoch, standing = at_the_gate(control, asking(before="traffic", persons=2), TRIED, "early")
    say(control, standing, ANN)
    for stage in ("shadow", "canary_5", "canary_20", "full_100"):
        with pytest.raises(GateClosed):
            enter_stage(control, rollout, stage, epoch)
    roll_back(control, rollout, reason="to try an experiment", actor="tom", epoch=epoch)
    restore(control, ledger, MODEL, TRIED, **WHO)
    with pytest.raises(GateClosed, match="asks 2 persons, before any traffic: an experiment would give"):
        start_experiment(
            control, MODEL, plan(), TRIED, request="e", actor="tom", epoch=control.take(f"experiment/{MODEL}", "tom")
        )
    assert read_route(control, MODEL)[1].named == {FIRST}


def test_the_way_back_is_open_to_one_person_at_any_time(control: ControlStore) -> None:
    rollout, _, _ = waits(control)
    assert roll_back_model(control, MODEL, **WHO).serving == FIRST
    assert read_rollout(control, rollout.id).state == "rolled_back"
    after = approval(control, rollout.id)
    assert after is not None
    assert not after.waits


def test_asking_again_after_the_deadline_gives_no_more_time(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout, epoch, standing = waits(control)
    later(monkeypatch, timedelta(days=4))
    again = ask(control, rollout, epoch)
    assert again is not None
    assert again.until == standing.until
    with pytest.raises(ConflictError, match="deadline"):
        say(control, standing, Person("bob", "bob"))


def _spoken(node: ast.AST) -> Iterator[str]:
    """The names by which a function may be called or handed on: its own, an attribute of its module, an import under another."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.ImportFrom):
        yield from (each.name for each in node.names if each.asname)


def _python() -> Iterator[Path]:
    for folder in ("include", "operators", "plugins", "dags"):
        yield from (path for path in (PROJECT / folder).rglob("*.py"))


def _callers(names: set[str]) -> Iterator[str]:
    """`file:function` of every call of these functions, by the outermost function that it stands in."""
    for path in _python():
        text = path.read_text()
        if not any(name in text for name in names):
            continue
        for function in (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)):
            if names & {name for node in ast.walk(function) for name in _spoken(node)}:
                yield f"{path.relative_to(PROJECT)}:{function.name}"
