from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import SpecError
from include.core.spec import ModelSpec
from include.rollout.approval_gate import gate_of
from include.rollout.history import read_rollout
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from include.rollout_state.approval import Person, Terms, roles, standing_in, stricter, terms_of
from tests.support.approval import ANN, BOB, MODEL, PASS, asking, at_the_gate, say, store_of_versions
from tests.support.rollout_spec import rollout_spec

ONE, TWO = Terms("full", 1), Terms("full", 2)
NOBODY = rollout_spec(MODEL, {"shadow_tolerance": 0.2, "margin": 5})


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return store_of_versions(tmp_path)


def standing(control: ControlStore) -> Terms | None:
    with control.transaction() as connection:
        return standing_in(connection, MODEL)


def test_terms_are_those_of_the_spec_with_its_role_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terms_of(NOBODY) is None
    monkeypatch.setenv("SLIPSTREAM_APPROVERS", "risk = Ann, bob ;legal=carl;")
    assert terms_of(asking(role="risk", persons=2)) == Terms("full", 2, ("Ann", "bob"), "risk")
    assert terms_of(asking(users=("dora", "DORA"), role="legal")) == Terms("full", 1, ("dora", "carl"), "legal")
    with pytest.raises(SpecError, match="the role 'pilots', which nobody has"):
        terms_of(asking(role="pilots"))
    with pytest.raises(SpecError, match="names fewer"):
        terms_of(asking(role="legal", persons=2))


def test_a_spec_that_names_too_few_or_nobody_is_refused() -> None:
    with pytest.raises(SpecError, match="fewer than the 2 persons"):
        asking(persons=2, users=("ann", "ANN "))
    with pytest.raises(SpecError, match="an empty name"):
        asking(users=(" ",))
    with pytest.raises(SpecError, match="persons"):
        asking(persons=3)


def test_terms_survive_the_store() -> None:
    terms = Terms("traffic", 2, ("Ann",), "risk", 60.0, "wait")
    assert Terms.from_json(terms.to_json()) == terms
    assert terms.words == "2 persons of the role risk, before any traffic"


def test_persons_are_told_apart_by_id_and_name() -> None:
    assert Person("7", "Ann").keys & Person("8", "ann ").keys
    assert Person("", "").keys == frozenset()
    assert ONE.allows(Person("7", "x"))
    assert Terms("full", 1, ("7", "Bob")).allows(Person("9", "BOB"))


def test_of_two_terms_the_stricter_holds_and_the_newer_names() -> None:
    early = Terms("traffic", 1, ("ann",))
    assert stricter(None, None) is None
    assert stricter(None, TWO) == TWO
    assert stricter(early, TWO) == Terms("traffic", 2, ("ann",))
    assert stricter(ONE, None) == ONE


def test_a_spec_that_asks_less_lowers_nothing_for_the_rollout_that_is_live_nor_for_the_next(control: ControlStore) -> None:
    rollout, epoch, waits = at_the_gate(control, asking(persons=2), request="first")
    assert read_rollout(control, rollout.id).approval == TWO
    say(control, waits, ANN, approve=False)
    again = open_rollout(control, NOBODY, 3, request="second", actor="t", epoch=epoch)
    assert again.approval == TWO
    assert standing(control) == TWO


def test_a_lower_bar_holds_after_those_who_were_asked_let_it_in(control: ControlStore) -> None:
    def let_in(spec: ModelSpec, version: int, expected: Terms | None) -> None:
        rollout, epoch, waits = at_the_gate(control, spec, version, f"r{version}")
        assert rollout.approval == expected
        for person in (ANN, BOB)[: waits.missing]:
            say(control, waits, person)
        names = [stage.name for stage in rollout.stages]
        for name in names[names.index(gate_of(rollout)) :]:
            enter_stage(control, rollout, name, epoch)
            record_verdict(control, rollout, name, PASS, epoch)
        promote(control, rollout, actor="t", epoch=epoch)

    let_in(asking(persons=2), 1, TWO)
    let_in(NOBODY, 2, TWO)
    assert standing(control) is None
    epoch = control.take(f"rollout/{MODEL}", "t")
    assert open_rollout(control, NOBODY, 3, request="r3", actor="t", epoch=epoch).approval is None


def test_roles_are_read_from_one_line() -> None:
    assert roles("") == {}
    assert roles("risk=ann, Ann,bob;;legal=") == {"risk": ("ann", "bob"), "legal": ()}
