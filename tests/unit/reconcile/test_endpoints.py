"""A target elsewhere whose route nobody waits for is moved by the reconciler, a step a pass."""

from __future__ import annotations

import pytest

from include.core.errors import GateClosed
from include.core.spec import ModelSpec, Serving
from include.routing.applied import note_applied
from tests.unit.reconcile.conftest import MODEL, SPEC, Place


class Target:
    """Follows at the second step."""

    def __init__(self, place: Place, fails: bool = False) -> None:
        self.place, self.fails, self.steps = place, fails, 0

    def __call__(self, spec: ModelSpec) -> Target:
        assert spec.name == MODEL
        return self

    def advance(self, model: str) -> str:
        self.steps += 1
        if self.fails:
            raise GateClosed("rolled back")
        if self.steps < 2:
            return "the endpoint is Updating"
        note_applied(self.place.control, model, 1, "config")
        return ""


@pytest.fixture
def elsewhere(place: Place) -> Place:
    place.spec = SPEC.model_copy(update={"serving": Serving(target="sagemaker")})
    place.champion(1)
    return place


def test_it_takes_a_step_at_each_pass_until_the_route_is_followed(elsewhere: Place) -> None:
    target = Target(elsewhere)
    seen = [([each.kind for each in elsewhere.look(target=target).found], target.steps) for _ in range(3)]
    assert seen == [(["target"], 1), (["target"], 2), ([], 2)]


def test_a_step_that_fails_is_left_to_the_rollouts_task_and_gateways_models_are_none_of_its_own(elsewhere: Place) -> None:
    report = elsewhere.look(target=Target(elsewhere, fails=True))
    assert ([each.kind for each in report.found], report.changed, report.unknown) == (["target"], [], {})
    assert elsewhere.look(dry_run=True, target=Target(elsewhere)).changed == []
    elsewhere.spec = SPEC
    assert elsewhere.look(target=Target(elsewhere)).found == []
