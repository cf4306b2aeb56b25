"""The control store on SQLite and on a real PostgreSQL, from many processes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import repeat
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from include.core import control as tables
from include.core.control import ControlStore
from include.core.errors import FencedError, UnreachableError
from include.core.time import timestamp
from tests.support.processes import FORKS


def count_up(connection: sa.Connection) -> dict[str, Any]:
    """An effect that can be counted: one decision more."""
    number = connection.execute(sa.select(sa.func.count()).select_from(tables.decisions)).scalar_one()
    row = {"model": "m", "as_of": "", "action": "hold", "reasons": [], "evidence": {}, "at": timestamp()}
    connection.execute(tables.decisions.insert().values(key=f"{number}-{timestamp()}-{id(connection)}", **row))
    return {"number": number}


def all_keys(url: str, worker: int) -> list[tuple[int, dict[str, Any], bool]]:
    store = ControlStore(url)
    store.create_tables()
    order = range(25) if worker % 2 else reversed(range(25))
    return [(n, *store.once(f"key-{n}", "resource", 1, count_up)) for n in order]


@pytest.mark.thorough
def test_once_is_once_for_eight_processes_and_twenty_five_keys(url: str) -> None:
    with ProcessPoolExecutor(8, mp_context=FORKS) as pool:
        calls = [call for worker in pool.map(all_keys, repeat(url, 8), range(8)) for call in worker]
    assert len(calls) == 200
    assert sorted(key for key, _, now in calls if now) == list(range(25))
    for key in range(25):
        assert len({str(result) for n, result, _ in calls if n == key}) == 1
    with ControlStore(url).transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.decisions)).scalar_one() == 25


def test_an_effect_that_fails_leaves_nothing_and_may_be_tried_again(control: ControlStore) -> None:
    def fails(connection: sa.Connection) -> dict[str, Any]:
        count_up(connection)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        control.once("k", "r", 1, fails)
    assert control.effect("k") is None
    assert control.once("k", "r", 1, count_up) == ({"number": 0}, True)
    assert control.once("k", "r", 1, fails) == ({"number": 0}, False)
    assert control.effect("k") == {"number": 0}


def test_a_later_holder_fences_off_the_earlier_one(control: ControlStore) -> None:
    first = control.take("rollout/m", "run 1")
    second = control.take("rollout/m", "run 2")
    assert (first, second) == (1, 2)
    with pytest.raises(FencedError, match=r"rollout/m was taken over by run 2 \(epoch 2\); this attempt holds epoch 1"):
        control.once("late", "rollout/m", first, count_up)
    assert control.effect("late") is None
    assert control.once("in time", "rollout/m", second, count_up)[1]


def test_a_late_holder_still_reads_what_was_done_before(control: ControlStore) -> None:
    epoch = control.take("r", "a")
    done, _ = control.once("k", "r", epoch, count_up)
    control.take("r", "b")
    assert control.once("k", "r", epoch, count_up) == (done, False)


def test_every_taker_gets_an_epoch_of_its_own(control: ControlStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        epochs = list(pool.map(lambda n: control.take("r", f"holder {n}"), range(24)))
    assert sorted(epochs) == list(range(1, 25))


def make_tables(url: str) -> int:
    ControlStore(url).create_tables()
    return len(sa.inspect(ControlStore(url).engine).get_table_names())


def test_tables_are_made_by_many_at_the_same_instant(url: str) -> None:
    start = Barrier(8)

    def make(_: int) -> int:
        start.wait()
        return make_tables(url)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(make, range(8))) == {len(tables.metadata.tables)}


def append(control: ControlStore, subject: str) -> None:
    with control.transaction() as connection:
        control.append_audit(connection, "tester", "did", subject, {"ü": [1, 2.5, None], "n": {"a": True}})


def test_the_audit_chain_holds_when_many_write_it(control: ControlStore) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: append(control, f"s{n}"), range(18)))
    assert control.broken_audit_rows() == []
    with control.transaction() as connection:
        assert list(connection.execute(sa.select(tables.audit.c.seq).order_by(tables.audit.c.seq)).scalars()) == list(
            range(1, 19)
        )


@pytest.mark.parametrize(
    ("edit", "broken"),
    [
        (tables.audit.update().where(tables.audit.c.seq == 2).values(actor="somebody else"), [2]),
        (tables.audit.update().where(tables.audit.c.seq == 2).values(detail={"n": 0}), [2]),
        (tables.audit.update().where(tables.audit.c.seq == 2).values(hash="0" * 64), [2, 3]),
        (tables.audit.delete().where(tables.audit.c.seq == 2), [3]),
        (tables.audit.delete().where(tables.audit.c.seq == 1), [2]),
    ],
    ids=["actor", "detail", "hash", "deleted", "first deleted"],
)
def test_tampering_with_the_audit_chain_is_found_where_it_happened(control: ControlStore, edit: Any, broken: list[int]) -> None:
    for n in range(4):
        append(control, f"s{n}")
    with control.transaction() as connection:
        connection.execute(edit)
    assert control.broken_audit_rows() == broken


def test_one_live_rollout_a_model_is_a_constraint(control: ControlStore) -> None:
    row = {"model": "m", "live": "m", "challenger": 2, "stage": "shadow", "state": "running", "created_at": "", "updated_at": ""}
    with control.transaction() as connection:
        connection.execute(tables.rollouts.insert().values(id="a", reason="", **row))
    with pytest.raises(sa.exc.IntegrityError), control.transaction() as connection:
        connection.execute(tables.rollouts.insert().values(id="b", reason="", **row))


def test_a_store_that_does_not_answer_names_its_address_without_the_password() -> None:
    store = ControlStore("postgresql://slip:secret@127.0.0.1:9/control")
    with pytest.raises(UnreachableError, match=r"(?s)127\.0\.0\.1:9/control.*SLIPSTREAM_CONTROL_URL") as caught:
        store.take("r", "h")
    assert "secret" not in str(caught.value)
