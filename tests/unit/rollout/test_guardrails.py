from __future__ import annotations

import pytest

from include.core.spec import ModelSpec
from include.rollout.guardrails import QUANTILES, SCORES, WEIGHTS, Guard, business_metric_stream, scaled, stage_guards


def test_errors_are_always_guarded_and_the_rest_where_the_baseline_knows_it(spec: ModelSpec) -> None:
    assert [guard.stream for guard in stage_guards(spec, {}, labelled=False)] == ["errors"]
    known = dict.fromkeys((*QUANTILES, *SCORES), 1.0)
    streams = [guard.stream for guard in stage_guards(spec, known, labelled=True)]
    assert streams[0] == "errors"
    assert set(QUANTILES) < set(streams)
    assert "loss" in streams


@pytest.mark.parametrize("labelled", [False, True])
def test_alpha_is_shared_out_whole(spec: ModelSpec, labelled: bool) -> None:
    guards = stage_guards(spec, dict.fromkeys(QUANTILES, 1.0), labelled)
    assert sum(guard.weight for guard in guards) == pytest.approx(1)
    assert max(guards, key=lambda guard: guard.weight).stream == "errors"


def test_weights_are_scaled_and_keep_their_proportions() -> None:
    a, b = scaled([Guard("errors", WEIGHTS["errors"]), Guard("latency_p99", WEIGHTS["latency_p99"])])
    assert (a.weight, b.weight) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_under_the_null_the_challenger_has_its_share_of_the_events() -> None:
    assert Guard("errors").null(0.05) == pytest.approx(0.05)
    assert Guard("errors", tolerated=2.0).null(0.5) == pytest.approx(2 / 3)


def test_where_the_event_is_good_it_is_the_champions_share_that_is_watched() -> None:
    good = Guard(business_metric_stream("orders"), fewer=True)
    assert good.null(0.05) == pytest.approx(0.95)
    assert Guard("outcome:orders", tolerated=2.0, fewer=True).null(0.5) == pytest.approx(2 / 3)


def test_a_guard_is_described_and_stored() -> None:
    guard = Guard("outcome:late_orders", 0.1, 1.5, True)
    assert guard.description == "events of late orders"
    assert Guard.from_json(guard.to_json()) == guard
