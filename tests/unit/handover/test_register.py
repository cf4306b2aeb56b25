"""A model that was trained elsewhere: one version, however often and from wherever; evaluated, gated, traced, and offered."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.core import fault
from include.core.errors import DataError, GateClosed
from include.core.fault import Fault
from include.core.spec import MultiClass
from include.governance.audit import history
from include.governance.card import render
from include.governance.lineage import trace
from include.governance.tree import render as as_tree
from include.handover.contract import contract
from include.handover.register import Registered, register
from include.rollout.restore import restore
from include.versions.lifecycle import set_production
from include.versions.queries import records
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Life

UNTIL = "2013-01-03"  # the holdout is the fourth day
SHELVES = {"shelf": ["high", "low"]}


def take_in(life: Life, given: object, **changes: Any) -> Registered:
    said = {"trained_until": UNTIL, "by": "ada", **changes}
    return register(MODEL, given, services=life.services, **said)


def known(life: Life) -> list[tuple[int, str, str, str]]:
    found = records(life.services.control, MODEL)
    return [(one.version, one.semver, str(one.stage), str(one.entry.origin)) for one in found]


def test_a_file_becomes_a_candidate_that_was_evaluated_on_the_holdout(published: Life, foreign: Path) -> None:
    done = take_in(published, foreign)
    assert known(published) == [(1, "1.0.0", "Candidate", "imported")]
    assert done.evaluated
    assert done.is_candidate
    assert done.record.entry.metrics["auc"] > 0.8
    result = published.services.ledger.resolve(done.record.entry.lineage.train)
    signature = json.loads(published.services.storage.read(result.files["signature.json"].path))
    assert [each["name"] for each in signature["inputs"]] == ["mean_price", "bought", "price", "shelf"]
    assert signature["inputs"][3]["categories"] == ["high", "low"]  # the training set's
    assert set(signature["views"]) == set(signature["definitions"]) == {"customer"}


def test_the_same_bytes_are_one_version_wherever_they_come_from(published: Life, foreign: Path, tmp_path: Path) -> None:
    take_in(published, foreign)
    other = tmp_path / "copy" / "renamed.bin"
    other.parent.mkdir()
    other.write_bytes(foreign.read_bytes())
    again = take_in(published, other, by="grace")
    assert known(published) == [(1, "1.0.0", "Candidate", "imported")]
    assert again.record.entry.lineage.train == records(published.services.control, MODEL)[0].entry.lineage.train
    source = published.services.ledger.resolve(again.record.entry.lineage.train).value["source"]
    assert (source["uri"], source["by"]) == (str(foreign), "ada")  # the first keeps its word


def test_it_competes_with_the_champion_on_the_same_holdout(registered: Life, foreign: Path) -> None:
    with registered.services.control.transaction() as connection:
        set_production(connection, MODEL, 1)
    done = take_in(registered, foreign)
    assert [version for version, *_ in known(registered)] == [1, 2]
    assert done.record.semver == "1.1.0"  # the same inputs, made in another way
    value = registered.services.ledger.resolve(done.record.entry.lineage.evaluation).value
    assert value["champion"]["auc"] > 0.8
    assert "paired" in value


def test_the_gate_stays_closed_until_somebody_says_until_when_it_was_trained(published: Life, foreign: Path) -> None:
    done = take_in(published, foreign, trained_until=None)
    assert known(published) == [(1, "1.0.0", "Staging", "imported")]
    assert "nobody has said until when" in done.record.entry.gate.reasons[0]
    assert take_in(published, foreign).is_candidate
    assert take_in(published, foreign, trained_until=None).is_candidate  # it was said before
    assert known(published) == [(1, "1.0.0", "Candidate", "imported")]


def test_a_model_that_has_seen_the_holdout_does_not_pass(published: Life, foreign: Path) -> None:
    done = take_in(published, foreign, trained_until="2013-01-04T12:00:00")
    assert not done.is_candidate
    assert "it has seen the answers" in done.record.entry.gate.reasons[0]


def test_one_that_is_not_evaluated_waits_for_a_reason(published: Life, foreign: Path) -> None:
    done = take_in(published, foreign, evaluate=False, categories=SHELVES)
    assert known(published) == [(1, "1.0.0", "Staging", "imported")]
    assert not done.evaluated
    assert "nothing was evaluated: it was registered without an evaluation" in done.record.entry.gate.reasons[0]
    services = published.services
    given = (services.control, services.ledger, MODEL, 1)
    with pytest.raises(GateClosed, match="nothing was evaluated"):
        restore(*given, actor="ada", reason="")
    restore(*given, actor="ada", reason="measured by its vendor", despite_gate=True)
    assert known(published)[0][2] == "Candidate"
    take_in(published, foreign, evaluate=False, categories=SHELVES)  # a person's word outlives the same evaluation
    assert known(published)[0][2] == "Candidate"


def test_what_was_measured_stands_when_it_is_registered_again_without(published: Life, foreign: Path) -> None:
    take_in(published, foreign)
    again = take_in(published, foreign, evaluate=False, categories=SHELVES)
    assert again.is_candidate
    assert known(published) == [(1, "1.0.0", "Candidate", "imported")]


def test_what_was_registered_without_rows_is_evaluated_once_there_are(published: Life, foreign: Path) -> None:
    take_in(published, foreign, evaluate=False, categories=SHELVES)
    assert take_in(published, foreign).is_candidate
    assert known(published) == [(1, "1.0.0", "Candidate", "imported")]


def test_the_audit_says_who_brought_which_bytes_from_where(published: Life, foreign: Path) -> None:
    done = take_in(published, foreign)
    (row,) = [act for act in history(published.services.control, MODEL, limit=10) if act.action == "register"]
    said = {name: row.detail[name] for name in ("by", "uri", "source", "trained_until")}
    assert said == {"by": "ada", "uri": str(foreign), "source": done.source, "trained_until": "2013-01-03T00:00:00"}


def test_the_trace_leads_to_the_file_as_it_was_given(published: Life, foreign: Path) -> None:
    done = take_in(published, foreign)
    services = published.services
    traced = trace(services.ledger, services.control, MODEL, 1)
    assert traced.intact
    words = as_tree(traced)
    assert "trained elsewhere" in words
    (line,) = [each for each in words.splitlines() if each.strip(" ├│└─").startswith("source ")]
    assert done.source in line
    assert line.endswith(f"✓ (from {foreign}, by ada)")
    assert "raw orders" in words  # of the rows that it was evaluated on
    (path,) = [path for path in services.storage.list(f"imported/{MODEL}") if path.endswith("/model")]
    services.storage.write(path, b"\x08other bytes")
    assert not trace(services.ledger, services.control, MODEL, 1).intact


def test_the_card_and_the_tags_say_that_it_was_trained_elsewhere(published: Life, foreign: Path) -> None:
    done = take_in(published, foreign)
    card = render(done.package)
    assert "trained elsewhere" in card
    assert done.source in card
    assert "Trained on rows until 2013-01-03 00:00:00, as was said of it." in card
    assert "Evaluated on 200 rows" in card
    assert done.package.tags["slipstream.source.digest"] == done.source
    bare = render(take_in(published, foreign, evaluate=False, categories=SHELVES).package)
    assert "trained elsewhere" in bare


def test_a_moment_before_any_day_cannot_be_evaluated(published: Life, foreign: Path) -> None:
    with pytest.raises(DataError, match="No day is published in the 20 days before 2012-12-01"):
        take_in(published, foreign, as_of="2012-12-01")
    assert known(published) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"categories": {"price": ["a"]}}, "'price' is no category of shop"),
        ({"categories": {"shelf": ["low", "low"]}}, "a list of different texts"),
        ({"evaluate": False}, "nobody has said which values it knows"),
        ({"trained_until": "soon"}, "A time cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_kept(
    published: Life, foreign: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        take_in(published, foreign, **changes)
    assert known(published) == []
    assert list(published.services.storage.list("imported")) == []


def test_a_model_of_other_inputs_leaves_nothing_behind(published: Life, tmp_path: Path) -> None:
    from tests.support.toy_ledger import onnx_mean

    (tmp_path / "three.onnx").write_bytes(onnx_mean(3))
    with pytest.raises(DataError, match="does not take the inputs of the spec") as refused:
        take_in(published, tmp_path / "three.onnx")
    assert_says(refused.value)
    assert list(published.services.storage.list("imported")) == []
    assert list(published.services.storage.list("ledger/import")) == []


def killed_in_a_child(point: str, work: Callable[[], object]) -> int:
    """The exit code of a forked process that is killed at the point; 0 if it never passed it."""

    def body() -> None:
        fault.arm(Fault(point, "kill"))
        work()

    child = multiprocessing.get_context("fork").Process(target=body)
    child.start()
    child.join(120)
    assert child.exitcode is not None
    return child.exitcode


POINTS = ("import.stored", "ledger.attempt.opened", "ledger.commit.recorded", "register.published", "register.recorded")


@pytest.mark.thorough
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_and_done_again_it_is_one_version(published: Life, foreign: Path, point: str) -> None:
    assert killed_in_a_child(point, lambda: take_in(published, foreign)) == -signal.SIGKILL
    done = take_in(published, foreign)
    assert known(published) == [(1, "1.0.0", "Candidate", "imported")]
    packages = [path for path in published.services.storage.list("registry") if path.endswith("package.json")]
    assert len(packages) == 1
    assert done.version == 1


def test_the_contract_of_another_kind_of_problem_says_which(published: Life) -> None:
    spec = published.services.spec(MODEL)
    plain = contract(published.services.ledger, spec, {}, None)
    assert "problem" not in plain
    problem = MultiClass(classes=("a", "b"))
    signed = contract(published.services.ledger, spec.model_copy(update={"problem": problem}), {}, None)
    assert signed == {**plain, "problem": problem.model_dump(mode="json"), "outputs": ["a", "b"]}
