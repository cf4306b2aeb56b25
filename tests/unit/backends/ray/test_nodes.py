from __future__ import annotations

from include.backends.ray.nodes import FLAPS, WITHIN, Losses, Node, named


def test_a_node_is_known_by_its_name_unless_two_share_it() -> None:
    found = named({"1" * 56: "10.0.0.1", "2" * 56: "10.0.0.2", "3" * 56: "10.0.0.2", "4" * 56: ""})
    assert found == [
        Node("1" * 56, "10.0.0.1"), Node("2" * 56, "2" * 12), Node("3" * 56, "3" * 12), Node("4" * 56, "4" * 12),
    ]  # fmt: skip


def test_losses_are_counted_until_there_is_a_new_checkpoint() -> None:
    losses = Losses(lambda: 0.0)
    counts = []
    for step in (0, 0, 25, 25, 25, 50):
        losses.add(["spot-1"], step)
        counts.append(losses.without_progress)
    assert counts == [1, 2, 1, 2, 3, 1]


def test_a_failure_without_a_lost_node_counts_without_a_name() -> None:
    losses = Losses(lambda: 0.0)
    losses.add([], 0)
    losses.add([], 0)
    assert (losses.without_progress, str(losses)) == (2, "none")


def test_a_node_that_is_lost_again_and_again_flaps() -> None:
    losses = Losses(lambda: 0.0)
    for step in range(FLAPS):
        assert losses.flapping() == set()
        losses.add(["spot-1", "spot-2"] if step == 0 else ["spot-1"], step)
    assert losses.flapping() == {"spot-1"}
    assert str(losses) == f"spot-1 {FLAPS}x, spot-2 1x"


def test_losses_of_long_ago_make_no_node_flap() -> None:
    now = [0.0]
    losses = Losses(lambda: now[0])
    for step in range(FLAPS):
        losses.add(["spot-1"], step)
        now[0] += WITHIN / 2
    assert losses.flapping() == set()
