"""Who was forgotten does not come back with a partition that lands again; whoever comes new does."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow.parquet as pq

from include.core.digest import digest_bytes
from include.core.forgotten import raw_since
from include.core.time import utc_now
from include.data.suppression import suppress, suppressed
from tests.support.subject_world import DAYS, MODEL, TOLD, WHO, SubjectWorld


def customers(world: SubjectWorld, day: date) -> list[str]:
    return list(pq.read_table(world.storage.uri(f"raw/{MODEL}/orders/date={day}/part.parquet"))["customer"].to_pylist())


def test_without_a_list_nothing_is_read(world: SubjectWorld) -> None:
    before = world.files()
    assert suppress(world.spec, world.storage, [DAYS[0]], world.settings) == 0
    assert world.files() == before


def test_a_partition_that_lands_again_is_held_against_the_list(world: SubjectWorld) -> None:
    """Its rows, and those that name one of the subject's requests and no key."""
    world.forget()
    assert suppress(world.spec, world.storage, DAYS, world.settings) == 0, "what the request itself wrote holds nothing"
    world.land(DAYS[1])
    again = world.raw("orders", DAYS[1])
    assert WHO in customers(world, DAYS[1])
    assert suppress(world.spec, world.storage, [DAYS[0]], world.settings) == 0, "of days that are not asked for"
    assert suppress(world.spec, world.storage, [DAYS[2]], world.settings) == 4, "two days back are read as well"
    assert customers(world, DAYS[1]) == ["customer-1", "customer-2", "customer-3"]
    returns = pq.read_table(world.storage.uri(f"raw/{MODEL}/returns/date={DAYS[1]}/part.parquet"))
    assert returns["id"].to_pylist() == [f"{DAYS[1]}-{number}" for number in range(3)]
    (mark,) = raw_since(world.storage, f"raw/{MODEL}/orders/date={DAYS[1]}/part.parquet", again)
    assert mark.after == world.raw("orders", DAYS[1])
    assert suppress(world.spec, world.storage, DAYS, world.settings) == 0


def test_what_begins_after_the_request_is_new(world: SubjectWorld) -> None:
    world.forget()
    tomorrow = utc_now().date() + timedelta(days=1)
    world.land(tomorrow)
    spec = world.spec.model_copy(update={"data": world.spec.data.model_copy(update={"last": None, "lookback_days": 0})})
    assert suppress(spec, world.storage, [tomorrow], world.settings) == 0
    assert WHO in customers(world, tomorrow)


def test_masked_it_comes_back_masked(world: SubjectWorld) -> None:
    world.forget(mode="mask")
    world.land(DAYS[0])
    assert suppress(world.spec, world.storage, [DAYS[0]], world.settings) == 2
    assert customers(world, DAYS[0])[:2] == ["forgotten", "forgotten"]


def test_the_list_names_nobody(world: SubjectWorld) -> None:
    done = world.forget()
    (entry,) = suppressed(world.storage)
    assert (entry.request, entry.owners, list(entry.keys)) == (done.request, {MODEL}, ["customer"])
    assert entry.until <= utc_now() <= entry.until + timedelta(hours=1)
    text = b"".join(world.storage.read(path) for path in world.storage.list("forgetting")).decode()
    assert not any(told in text for told in TOLD)
    other = SubjectWorld(world.home / "elsewhere")
    assert other.scope().given == world.scope().given
    assert other.forget().request != done.request, "under another key even the name of the request is another"


def test_half_a_file_is_left_for_who_reads_it(world: SubjectWorld) -> None:
    world.forget()
    path = f"raw/{MODEL}/orders/date={DAYS[0]}/part.parquet"
    world.storage.write(path, b"PAR1 half")
    assert suppress(world.spec, world.storage, [DAYS[0]], world.settings) == 0
    assert digest_bytes(world.storage.read(path)) == digest_bytes(b"PAR1 half")
