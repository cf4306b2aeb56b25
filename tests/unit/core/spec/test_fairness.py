"""The section `fairness`: what is refused by name, and that a spec without it asks for nothing new."""

from __future__ import annotations

from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Attribute, Evaluation, Fairness, Limit, ModelSpec, MultiClass, Ranking, Regression
from include.core.spec.fairness import OF_DECISIONS
from include.problems.of import beside_of, rows_of
from tests.support.shop import SPEC
from tests.support.spec_of_problem import with_problem

PARITY = Limit(measure="demographic_parity_ratio", limit=0.8)


def with_fairness(**section: Any) -> ModelSpec:
    return ModelSpec(**{**SPEC.model_dump(), "fairness": Fairness(**section)})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"limits": (PARITY,)}, "there are no attributes"),
        ({"attributes": (Attribute(column="sex"), Attribute(column="sex"))}, "'sex'] is there twice"),
        (
            {"attributes": (Attribute(column="sex"),), "limits": (PARITY.model_copy(update={"attribute": "age"}),)},
            "no attribute of",
        ),
        ({"attributes": (Attribute(column="price"),)}, "'price' is float, of which nearly each value is another: give it bins"),
        ({"attributes": (Attribute(column="shelf", bins=(1,)),)}, "'shelf' is category, and bins are of numbers"),
        ({"attributes": (Attribute(column="customer", bins=(1,)),)}, "'customer' is a key, and bins"),
        ({"attributes": (Attribute(column="came_back"),)}, "came_back"),
        ({"attributes": (Attribute(column="score"),)}, "fairness.attributes: 'score' is reserved"),
        (
            {"attributes": (Attribute(column="sex"),), "person": ("who",)},
            r"fairness.person: \['who'\] is no key of this model \(customer",
        ),
        ({"attributes": (Attribute(column="sex"),), "favourable": ("yes",)}, "here it is 0 or 1"),
        (
            {"attributes": (Attribute(column="sex"),), "limits": (Limit(measure="error_ratio", limit=0.8),)},
            "error_ratio is not offered here",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(section: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        with_fairness(**section)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"measure": "parity", "limit": 0.1}, "'parity' is none; there are demographic_parity_difference"),
        ({"measure": "error_ratio"}, "limit: is needed, or than_champion"),
        ({"measure": "error_ratio", "limit": 1.2}, "of a ratio lies above 0 and at most at 1"),
        ({"measure": "accuracy_ratio", "than_champion": 0.1}, "say it of accuracy_difference"),
    ],
)
def test_a_limit_that_says_nothing_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        Limit(**values)


def test_bins_ascend() -> None:
    with pytest.raises(SpecError, match="must be finite and ascending"):
        Attribute(column="age", bins=(60, 25))


def test_of_a_ranking_nothing_is_offered_and_it_says_what_is() -> None:
    with pytest.raises(SpecError, match=r"of a ranking no measure is offered(.|\n)*evaluation\.slices"):
        with_problem(Ranking(query="dest", item="origin"), fairness=Fairness(attributes=(Attribute(column="carrier"),)))


def test_classes_are_named_and_numbers_have_a_threshold_where_decisions_are_compared() -> None:
    attributes = (Attribute(column="carrier"),)
    with pytest.raises(SpecError, match=r"\['perhaps'\] is no class of this model"):
        with_problem(MultiClass(classes=("no", "yes")), fairness=Fairness(attributes=attributes, favourable=("perhaps",)))
    with pytest.raises(SpecError, match="name the classes that are good for people"):
        with_problem(MultiClass(classes=("no", "yes")), fairness=Fairness(attributes=attributes, limits=(PARITY,)))
    with pytest.raises(SpecError, match=r"give fairness\.threshold to compare decisions of a number"):
        with_problem(Regression(scale=1), fairness=Fairness(attributes=attributes, limits=(PARITY,)))
    spec = with_problem(Regression(scale=1), fairness=Fairness(attributes=attributes, limits=(PARITY,), threshold=30.0))
    assert set(OF_DECISIONS) < set(spec.fairness.offered(spec.problem))


def test_only_what_is_no_input_is_carried_beside_them() -> None:
    spec = with_fairness(attributes=(Attribute(column="sex"), Attribute(column="shelf"), Attribute(column="age", bins=(25, 60))))
    assert spec.beside == ("sex", "age")
    assert rows_of(spec) == {"columns": {"sex": "KEY", "age": "DOUBLE"}}
    assert beside_of(spec) == {"beside": ["sex", "age"]}
    assert beside_of(SPEC) == rows_of(SPEC) == {}
    assert "robustness" not in Evaluation().model_dump(mode="json")


def test_it_is_read_back_from_json_as_it_was() -> None:
    section = Fairness(attributes=(Attribute(column="age", bins=(25, 60)),), limits=(PARITY,), favourable=0, person=())
    assert Fairness.model_validate(section.model_dump(mode="json")) == section
