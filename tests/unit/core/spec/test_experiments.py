"""What a spec may say of experiments."""

from __future__ import annotations

from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Experiment, Guardrail, Metric
from tests.support.rollout_spec import rollout_spec

SALE, COMPLAINT = Metric(name="sale"), Guardrail(name="complaint", margin=0.1, better="fewer")


def experiment(**more: Any) -> Experiment:
    return Experiment(**{"name": "pricing", "primary": SALE, "minimum_effect": 0.1, **more})


def test_all_its_metrics_have_one_part_each() -> None:
    assert [metric.name for metric in experiment(guardrails=(COMPLAINT,)).metrics] == ["sale", "complaint"]
    with pytest.raises(SpecError, match="more than one of primary, secondaries and guardrails"):
        experiment(secondaries=(SALE,))


@pytest.mark.parametrize(
    "wrong", [{"share": 0}, {"share": 100}, {"weeks": 0}, {"minimum_effect": 0}, {"alpha": 0.6}, {"treatment": "previous"}]
)
def test_impossible_values_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        experiment(**wrong)


def test_one_rule_cuts_a_metric() -> None:
    with pytest.raises(SpecError, match="two rules for one thing"):
        Metric(name="revenue", kind="continuous", cap=10.0, winsorise=0.99)
    with pytest.raises(SpecError, match="a binary metric has none"):
        Metric(name="sale", winsorise=0.99)


def test_a_model_s_experiments_have_names_of_their_own_and_gateways() -> None:
    assert rollout_spec("toy", experiments=(experiment(),)).experiments[0].name == "pricing"
    with pytest.raises(SpecError, match="is the name of several"):
        rollout_spec("toy", experiments=(experiment(), experiment(weeks=3)))
    with pytest.raises(SpecError, match="an endpoint splits by request"):
        rollout_spec("toy", experiments=(experiment(),), serving={"target": "sagemaker"})


def test_a_table_is_made_of_sources() -> None:
    tried = experiment(primary=Metric(name="sale", table="x:sales"))
    assert "x:sales" in rollout_spec("toy", experiments=(tried,)).code
    with pytest.raises(SpecError, match=r"a metric's table is made of data\.sources"):
        rollout_spec(
            "toy", experiments=(tried,), data={}, features={"request": ({"name": "size"},)}, expectations="", training={}
        )


def test_a_rollout_waits_for_an_experiment_that_there_is() -> None:
    assert rollout_spec("toy", {"experiment": "pricing"}, experiments=(experiment(),)).rollout.experiment == "pricing"
    with pytest.raises(SpecError, match=r"rollout.experiment: 'prices' is none of this model's experiments \(pricing\)"):
        rollout_spec("toy", {"experiment": "prices"}, experiments=(experiment(),))
