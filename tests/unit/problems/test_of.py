"""The problem of a spec, of a stored request, and of one that was stored before there were kinds."""

from __future__ import annotations

from typing import Any

import pytest

from include.core.errors import DataError
from include.core.spec import Binary, MultiClass, Ranking, Regression, problem_from
from include.models.flight_delay.spec import SPEC
from include.problems.of import of_params, of_spec, params_of, problem_of, require_same, same_outputs, signature_of, uses_of
from tests.support.problem_draws import KINDS


def test_a_binary_model_says_nothing_in_its_requests() -> None:
    assert params_of(SPEC) == {}
    assert of_params({"threshold": 0.4}).value == Binary()
    assert of_params({"threshold": 0.4}).threshold == 0.4  # type: ignore[attr-defined]
    assert of_spec(SPEC).threshold == SPEC.serving.threshold  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_comes_back_from_a_request(kind: str) -> None:
    value: Any = KINDS[kind]
    spec = SPEC.model_copy(update={"problem": value})
    assert of_params(params_of(spec)).value == value
    assert problem_from(value.model_dump(mode="json")) == value


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_defaults_are_healthy_and_answers_are_plain(kind: str) -> None:
    problem = problem_of(KINDS[kind])
    assert problem.check(problem.default_output.reshape(problem.shape(1)), 1) == ""
    answer = problem.answer(problem.default_output.tolist(), {"amount": 3.0})
    assert all(isinstance(name, str) for name in answer)


def test_a_regression_with_one_output() -> None:
    assert problem_of(Regression(scale=2)).outputs == ("value",)
    assert problem_of(MultiClass(classes=("x", "y"))).shape(3) == (3, 2)


def test_results_depend_on_the_authors_code_that_losses_and_metrics_call() -> None:
    assert uses_of(SPEC) == ()
    value = MultiClass(classes=("x", "y"), metrics=("m:gain",), decision="m:decide")
    assert uses_of(SPEC.model_copy(update={"problem": value})) == ("m:gain", "m:decide")


def test_a_contract_says_its_problem_and_another_is_not_the_same() -> None:
    assert signature_of({}) == {}
    numbers = Regression(scale=2, interval=0.9)
    contract = signature_of(params_of(SPEC.model_copy(update={"problem": numbers})))
    assert contract["outputs"] == ["value", "low", "high"]
    assert same_outputs(problem_of(numbers), contract)
    assert same_outputs(problem_of(Regression(scale=9, interval=0.5)), contract)
    assert not same_outputs(problem_of(Regression(scale=2)), contract)
    assert not same_outputs(problem_of(Binary()), contract)
    assert same_outputs(problem_of(Binary(alerts=5)), {})


def test_a_model_of_another_problem_is_never_measured_by_this_one() -> None:
    """The same classes in another order have the same shape."""
    contract = signature_of({"problem": MultiClass(classes=("bad", "good")).model_dump(mode="json")})
    require_same(problem_of(MultiClass(classes=("bad", "good"))), contract, "version 1")
    with pytest.raises(DataError, match="Version 1 was trained for another problem") as error:
        require_same(problem_of(MultiClass(classes=("good", "bad"))), contract, "version 1")
    assert error.value.seen == {"trained": "MultiClass of bad, good", "spec": "MultiClass of good, bad"}
    with pytest.raises(DataError):
        require_same(problem_of(Ranking(query="basket", item="film")), {}, "an old binary version")
