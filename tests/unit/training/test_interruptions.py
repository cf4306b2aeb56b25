from __future__ import annotations

from pathlib import Path

import pytest

from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.interruptions import Account, Interruption, seconds_lost

LOST = Interruption("lost", 40, 2, 3.5, ("spot-1",), redone=1.25)
GROWN = Interruption("grown", 60, 3, 1.0, ("spot-2",))


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(LocalStorage(tmp_path), "a/checkpoints")


def test_the_account_outlives_the_attempt_that_wrote_it(store: CheckpointStore) -> None:
    first = Account(store)
    assert first.entries == []
    first.add(LOST)
    first.add(GROWN)
    assert Account(store).entries == [LOST, GROWN]
    assert seconds_lost(Account(store).entries) == 4.5


def test_an_entry_says_what_it_cost_and_where(store: CheckpointStore) -> None:
    assert LOST.to_json() == {
        "kind": "lost", "step": 40, "workers": 2, "seconds": 3.5, "nodes": ["spot-1"], "redone": 1.25,
    }  # fmt: skip
    assert str(LOST) == "workers were lost (spot-1): 3.5 s; the fit went on from step 40 with 2"


def test_a_fit_that_left_is_gone_on_with_by_another_attempt_which_says_how_long_that_took(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("include.training.interruptions.time.time", lambda: now[0])
    first = Account(store)
    first.add(LOST)
    first.stop(50)
    now[0] += 30
    second = Account(store)
    assert second.entries == [LOST]
    second.resume(1)
    second.resume(1)  # each group says it
    assert Account(store).entries == [LOST, Interruption("stopped", 50, 1, 30.0)]


def test_an_attempt_that_follows_no_other_owes_nothing(store: CheckpointStore) -> None:
    Account(store).resume(2)
    assert Account(store).entries == []


def test_the_account_is_no_checkpoint_of_a_step(store: CheckpointStore) -> None:
    store.save_step(10, b"state")
    account = Account(store)
    account.add(LOST)
    account.stop(10)
    assert store.steps() == [10]
    assert store.newest() == (10, b"state")
