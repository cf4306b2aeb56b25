"""An endpoint follows its model's route, is believed by its description alone, and is changed once whoever is killed."""

from __future__ import annotations

import pytest

from include.backends.sagemaker.endpoint_target import CALLS
from include.core import fault
from include.core.errors import ConflictError, GateClosed, PermanentError, SpecError, UnreachableError
from include.core.fault import Fault, ResponseLost
from include.routing.applied import applied, applied_at
from tests.support.aws.followed import Followed

pytestmark = pytest.mark.lives
POINTS = ("endpoint.sent", "endpoint.model", "endpoint.config", "endpoint.send", "endpoint.applied", "control.once.committed")


def test_a_rollout_moves_the_weights_and_the_variants_step_by_step(followed: Followed) -> None:
    followed.follow(champion=1)
    assert followed.weights() == {"v1": 100.0}
    first = followed.described()["EndpointConfigName"]
    followed.follow(champion=1, challenger=2)
    assert followed.weights() == {"v1": 100.0, "v2": 0.0}
    followed.follow(champion=1, challenger=2, shadow=2)
    assert followed.weights() == {"v1": 100.0}
    assert [each["VariantName"] for each in followed.described()["ShadowProductionVariants"]] == ["v2"]
    for weight in (5, 20, 100):
        done = followed.follow(champion=1, challenger=2, weight=weight)
        assert followed.weights() == {"v1": 100.0 - weight, "v2": weight}
    followed.follow(champion=2, previous=1)
    assert followed.weights() == {"v2": 100.0}
    followed.follow(champion=1)  # the way back makes nothing anew: models and configurations are there
    assert followed.described()["EndpointConfigName"] == first
    calls = dict(followed.aws.endpoints.calls)
    assert calls == {"create model": 2, "create endpoint-config": 4, "create": 1, "update": 5, "weights": 3}
    assert applied(followed.control, followed.spec.name) == done["generation"] + 2
    assert applied_at(followed.control, followed.spec.name, done["generation"]) > applied_at(
        followed.control, followed.spec.name, 1
    )


def test_traffic_leaves_a_challenger_before_its_machines_do(followed: Followed) -> None:
    followed.follow(champion=1)
    followed.follow(champion=1, challenger=2, weight=20)
    generation = followed.route(champion=1)
    assert "weights v1 100 %, v2 0 %" in followed.target().advance(followed.spec.name)
    followed.aws.endpoints.settle(followed.name)
    assert followed.weights() == {"v1": 100.0, "v2": 0.0}
    assert followed.target().wait_applied(followed.spec.name, generation)["generation"] == generation
    assert followed.weights() == {"v1": 100.0}


def test_a_first_version_that_went_back_leaves_no_endpoint(followed: Followed) -> None:
    followed.follow(challenger=1)
    assert followed.weights() == {"v1": 100.0}
    followed.follow()
    assert followed.target().describe() is None
    assert followed.follow(challenger=2, weight=5)["generation"] == 3


@pytest.mark.thorough
@pytest.mark.parametrize(("outcome", "said"), [("rolled_back", "no machines"), ("silently_rolled_back", "")])
def test_a_change_that_aws_rolls_back_is_a_failed_change_and_is_not_sent_again(
    followed: Followed, outcome: str, said: str
) -> None:
    followed.follow(champion=1)
    followed.aws.endpoints.plan(outcome, said)
    with pytest.raises(GateClosed, match="rolled back. AWS says: " + (said or "nothing")) as error:
        followed.follow(champion=1, challenger=2)
    assert "answers with what it had before" in error.value.safe
    for _ in range(2):  # a task that was killed before it could say so
        with pytest.raises(GateClosed, match="rolled back"):
            followed.target().wait_applied(followed.spec.name, 2)
    assert followed.aws.endpoints.calls["update"] == 1
    assert followed.weights() == {"v1": 100.0}
    assert followed.follow(champion=1)["generation"] == 3, "the way back finds what it asks for"
    assert followed.aws.endpoints.calls["update"] == 1


def test_a_way_back_that_aws_rolls_back_is_tried_again_by_the_next_attempt(followed: Followed) -> None:
    followed.follow(champion=1)
    followed.follow(champion=1, challenger=2, weight=20)
    followed.aws.endpoints.plan("done")  # the weights
    followed.aws.endpoints.plan("silently_rolled_back")
    with pytest.raises(UnreachableError, match="rolled back"):
        followed.follow(champion=1)
    assert followed.weights() == {"v1": 100.0, "v2": 0.0}, "no traffic is left on it"
    assert followed.target().wait_applied(followed.spec.name, 3)["generation"] == 3
    assert followed.weights() == {"v1": 100.0}


def test_an_update_that_hangs_is_waited_for_and_never_followed_by_a_second_one(followed: Followed) -> None:
    followed.follow(champion=1)
    followed.aws.endpoints.plan("stuck")
    with pytest.raises(UnreachableError, match="asked for just now"):
        followed.follow(timeout=0, champion=1, challenger=2)
    with pytest.raises(UnreachableError, match=r"is Updating since .* UTC, 0 minutes") as error:
        followed.target().wait_applied(followed.spec.name, 2, timeout=0)
    assert "no second update was sent" in error.value.safe
    followed.route(champion=1)  # even where a person has rolled back meanwhile
    with pytest.raises(UnreachableError, match="Updating"):
        followed.target().wait_applied(followed.spec.name, 3, timeout=0)
    assert followed.aws.endpoints.calls["update"] == 1
    followed.aws.endpoints.free(followed.name)
    followed.target().wait_applied(followed.spec.name, 3)
    assert followed.weights() == {"v1": 100.0}


@pytest.mark.thorough
@pytest.mark.parametrize("point", POINTS)
def test_whoever_is_killed_at_any_instant_the_next_attempt_ends_the_same(followed: Followed, point: str) -> None:
    followed.follow(champion=1)
    followed.aws.endpoints.calls.clear()
    for skip in range(3):
        generation = followed.route(champion=1, challenger=2, weight=5 + skip)
        fault.arm(Fault(point, "lose", skip))
        try:
            followed.target().wait_applied(followed.spec.name, generation)
        except ResponseLost:
            pass
        finally:
            fault.arm(None)
        followed.target().wait_applied(followed.spec.name, generation)
        assert followed.weights() == {"v1": 95.0 - skip, "v2": 5.0 + skip}
    calls = followed.aws.endpoints.calls
    assert (calls["create model"], calls["create endpoint-config"], calls["update"], calls["weights"]) == (1, 1, 1, 3)


def test_an_endpoint_of_somebody_else_is_not_touched(followed: Followed) -> None:
    followed.follow(champion=1)
    client, arn = followed.access.client("sagemaker"), followed.described()["EndpointArn"]
    assert {each["Key"] for each in client.list_tags(ResourceArn=arn)["Tags"]} == {"slipstream:model", "slipstream:root"}
    followed.aws.endpoints._held[followed.name].tags["slipstream:model"] = "other"
    with pytest.raises(ConflictError, match="its tags say so"):
        followed.follow(champion=2)
    assert followed.aws.endpoints.calls["update"] == 0


def test_what_has_our_name_must_be_what_we_would_have_made(followed: Followed) -> None:
    followed.follow(champion=1)
    model = next(name for name in followed.aws.endpoints._models if followed.spec.name in name)
    followed.aws.endpoints._models[model]["PrimaryContainer"] = {"Image": "another"}
    with pytest.raises(ConflictError, match="differs in Environment, Image"):
        followed.follow(champion=1, challenger=2)


def test_what_aws_refuses_names_the_action_and_the_next_attempt_goes_on(followed: Followed) -> None:
    followed.follow(champion=1)
    denied = "User x is not authorized to perform: sagemaker:DescribeEndpoint"
    followed.aws.faults.refuse("DescribeEndpoint", "AccessDeniedException", denied, times=1)
    with pytest.raises(PermanentError, match="sagemaker:DescribeEndpoint"):
        followed.follow(champion=2)
    followed.target().wait_applied(followed.spec.name, 2)
    calls = CALLS.about(followed.control, f"endpoint/{followed.spec.name}")
    assert [call.body["step"].split()[0] for call in calls] == ["create", "update"]


def test_what_describe_shows_holds_no_login(followed: Followed) -> None:
    from dataclasses import replace

    followed.settings = replace(followed.settings, online_url="redis://:secret@host/0")
    with pytest.raises(SpecError, match="holds a login") as error:
        followed.follow(champion=1)
    assert "secret" not in str(error.value)
