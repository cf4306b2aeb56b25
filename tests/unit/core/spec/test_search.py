"""`Search`: typed spaces, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Choice, Float, Integer, Regression, Search, Training
from tests.support.toy_ledger import SPEC

RATE = Float(low=1e-4, high=1e-1, log=True)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "space: there is nothing to search"),
        ({"rate": Float(low=1.0, high=1.0)}, "space.rate: the range is empty: low and high are both 1.0"),
        ({"rate": Float(low=2.0, high=1.0)}, "space.rate: the range is inverted: low (2.0) is above high (1.0)"),
        ({"rate": Float(low=0.0, high=1.0, log=True)}, "space.rate: a log range begins above 0, not at 0.0"),
        ({"rate": Float(low=0.0, high=float("inf"))}, "space.rate: the bounds must be numbers"),
        ({"width": Integer(low=8, high=4)}, "space.width: the range is inverted"),
        ({"width": Integer(low=8, high=12, step=5)}, "space.width: the range is empty: step 5 reaches beyond high (12)"),
        ({"width": Integer(low=1, high=8, step=2, log=True)}, "space.width: log and step do not go together"),
        ({"kind": Choice(values=())}, "space.kind: the choice is empty"),
        ({"kind": Choice(values=("a", "a"))}, "space.kind: a value is there twice"),
        ({"kind": Choice(values=(object(),))}, "space.kind: a value is none of JSON"),
    ],
)
def test_an_impossible_space_is_refused_by_the_name_of_the_parameter(space: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match="Search") as refused:
        Search(space=space)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"algorithm": "grid"}, "space.rate: a grid needs to know how many points"),
        ({"scheduler": "pbt"}, 'algorithm: a population is drawn at random; say algorithm="random"'),
        ({"scheduler": "pbt", "algorithm": "random", "trials": 1}, "trials: a population has at least 2"),
        ({"scheduler": "asha", "space": {"epochs": Integer(low=1, high=9)}}, 'space.epochs: is what scheduler="asha" itself'),
        (
            {"scheduler": "pbt", "algorithm": "random", "space": {"width": Integer(low=1, high=9)}},
            "nothing that may be perturbed",
        ),
        (
            {"scheduler": "pbt", "algorithm": "random", "space": {"batch_size": Integer(low=1, high=9, perturb=True)}},
            "space.batch_size: cannot be perturbed",
        ),
        ({"cost": 3.0}, "hourly_rate: is needed for a budget of cost"),
        ({"trials": 0}, "trials"),
        ({"algorithm": "annealing"}, "algorithm"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as refused:
        Search(**{"space": {"rate": RATE}, **given})
    assert said in str(refused.value)


def test_a_metric_that_the_problem_lacks_is_refused_with_those_it_has() -> None:
    training = SPEC.training.model_copy(update={"search": Search(space={"rate": RATE}, metric="auc")})
    with pytest.raises(SpecError, match=r"training\.search\.metric: 'auc' is no metric of this Regression; it has .*mae"):
        type(SPEC)(**{**dict(SPEC), "problem": Regression(scale=1.0), "training": training, "evaluation": {}})


def test_a_search_is_read_back_from_its_json() -> None:
    search = Search(space={"rate": RATE, "width": Integer(low=1, high=9), "kind": Choice(values=("a", 1))}, scheduler="asha")
    assert Training.model_validate({"search": search.model_dump(mode="json")}).search == search
    assert Search.model_validate(search.model_dump(mode="json")) == search


def test_a_grid_of_values_stays_what_it_was() -> None:
    """So the keys of what was tuned before stay, too."""
    training = Training(search={"c": (1, 2), "space": (3, 4)})
    assert training.model_dump(mode="json")["search"] == {"c": [1, 2], "space": [3, 4]}
    assert Training().model_dump(mode="json")["search"] == {}
