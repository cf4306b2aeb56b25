"""`profile`: what a regulated spec gets, what it may not go below, and what a platform asks at least."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from include.core.catalog import load_spec
from include.core.errors import SpecError
from include.core.spec import Approval, Evaluation, Explanations, Feature, Features, ModelSpec, Rollout
from include.core.spec.evaluation import Robustness
from include.core.spec.privacy import MembershipCheck
from tests.support.toy_ledger import SPEC

REASON = "the model scores machines, there is no person in its data"
DEFAULTS = {"rollout": Rollout(), "evaluation": Evaluation()}


def spec(**more: Any) -> ModelSpec:
    fields = {name: getattr(SPEC, name) for name in SPEC.model_fields_set}
    return ModelSpec(**{**fields, "profile": "regulated", **more})


def test_a_standard_spec_is_as_it_was_and_says_nothing_of_profiles() -> None:
    dumped = SPEC.model_dump(mode="json")
    assert (SPEC.profile, SPEC.rollout.approval, SPEC.evaluation.explanations) == ("standard", "none", None)
    assert not {"profile", "profile_exceptions"} & {*dumped}


def test_a_regulated_one_gets_two_persons_before_traffic_and_explanations() -> None:
    made = spec()
    assert made.rollout.persons_asked == Approval(before="traffic", persons=2)
    assert made.evaluation.explanations == Explanations()
    assert made.evaluation.robustness == Robustness()
    assert made.evaluation.privacy == MembershipCheck()
    assert made.model_dump()["profile"] == "regulated"


def test_of_a_model_that_is_only_served_nothing_is_measured_by_default() -> None:
    request = Features(request=(Feature(name="hour", dtype="int"),))
    served = ModelSpec(name="served", owner="t", description="d", label="late", features=request, profile="regulated")
    assert served.rollout.persons_asked == Approval(before="traffic", persons=2)
    assert (served.evaluation.explanations, served.evaluation.robustness, served.evaluation.privacy) == (None, None, None)


def test_what_was_said_stays() -> None:
    approval, explained = Approval(before="traffic", persons=2, role="risk"), Explanations(rows=500)
    made = spec(rollout=Rollout(approval=approval), evaluation=Evaluation(explanations=explained))
    assert (made.rollout.approval, made.evaluation.explanations) == (approval, explained)
    assert spec(profile_exceptions={"explanations": REASON}).evaluation.explanations is None


@pytest.mark.parametrize(
    "approval",
    ["none", "required", Approval(before="full", persons=2), Approval(before="traffic"), Approval(before="none", persons=2)],
)
def test_it_may_not_ask_fewer_persons_or_later(approval: Any) -> None:
    with pytest.raises(SpecError, match="asks two persons before any traffic"):
        spec(rollout=Rollout(approval=approval))


@pytest.mark.parametrize(
    ("exceptions", "words"),
    [
        ({"approval": REASON}, "can have no exception"),
        ({"fairness": "no"}, "needs its reason"),
        ({"slices": " " * 40}, "needs its reason"),
    ],
)  # fmt: skip
def test_an_exception_has_a_name_that_can_have_one_and_a_reason(exceptions: dict[str, str], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        spec(profile_exceptions=exceptions)


def test_a_standard_spec_has_nothing_to_except_from() -> None:
    with pytest.raises(SpecError, match="nothing to except from"):
        spec(profile="standard", profile_exceptions={"fairness": REASON})


@pytest.mark.parametrize(("least", "words"), [("regulated", "takes no model with less"), ("strict", "is no profile")])
def test_a_models_folder_cannot_lower_what_the_platform_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: str, words: str
) -> None:
    package = tmp_path / "profiled_models" / "toy"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "spec.py").write_text("from tests.support.toy_ledger import SPEC as SPEC\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "profiled_models"]:
        monkeypatch.delitem(sys.modules, name)
    assert load_spec("toy", "profiled_models").profile == "standard"
    monkeypatch.setenv("SLIPSTREAM_PROFILE", least)
    with pytest.raises(SpecError, match=words):
        load_spec("toy", "profiled_models")
