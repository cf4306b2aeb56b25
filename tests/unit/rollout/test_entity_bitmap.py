from __future__ import annotations

from include.rollout.entity_bitmap import EntityBitmap, unit_number
from include.rollout.evidence import CHALLENGER, CHAMPION
from include.routing.entity_hash import unit


def test_an_entity_is_new_once_on_each_arm() -> None:
    seen, key = EntityBitmap(1000), unit("ada", "toy")
    assert [seen.add(key, CHAMPION), seen.add(key, CHAMPION), seen.add(key, CHALLENGER)] == [True, False, True]


def test_few_entities_are_taken_for_another_and_none_of_them_by_arm() -> None:
    planned = 20_000
    seen, new = EntityBitmap(planned), [0, 0]
    for number in range(planned):
        arm = int(number % 20 == 0)
        new[arm] += seen.add(unit(str(number), "toy"), arm)
    lost = [1 - new[0] / (planned * 0.95), 1 - new[1] / (planned * 0.05)]
    assert 0 < lost[0] < 0.05
    assert abs(lost[0] - lost[1]) < 0.03


def test_it_is_the_same_after_being_stored() -> None:
    seen = EntityBitmap(100)
    for number in range(100):
        seen.add(unit(str(number), "toy"), CHAMPION)
    again = EntityBitmap.unpack(100, seen.pack())
    assert not any(again.add(unit(str(number), "toy"), CHAMPION) for number in range(100))
    assert len(seen.pack()) < 2000


def test_units_are_the_logs_hashes() -> None:
    assert unit_number(f"{unit('ada', 'toy'):016x}") == unit("ada", "toy")
    assert unit_number("not a hash") == unit_number("not a hash") < 1 << 64
