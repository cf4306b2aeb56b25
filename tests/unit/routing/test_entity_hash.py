from __future__ import annotations

from include.routing.entity_hash import BUCKETS, bucket, entity_id, unit


def test_buckets_are_stable_over_processes_and_releases() -> None:
    """Literal values: a change of the hash would move every entity in the middle of a rollout."""
    assert [bucket(entity, "flight_delay") for entity in ("a", "b", "EWR\x1fUA")] == [8317, 8967, 8308]


def test_buckets_spread_evenly_and_differ_between_models() -> None:
    counts = [0] * 10
    for n in range(20_000):
        counts[bucket(f"entity-{n}", "toy") * 10 // BUCKETS] += 1
    assert all(1800 < count < 2200 for count in counts)
    assert sum(bucket(f"e{n}", "a") == bucket(f"e{n}", "b") for n in range(1000)) < 10


def test_the_keys_of_an_entity_are_one_text() -> None:
    assert entity_id(["EWR", "UA"]) == "EWR\x1fUA"
    assert unit(entity_id(["EWR", "UA"]), "flight_delay") % BUCKETS == 8308
