"""What an online store says of rows that it has lost: epochs, counts and empty views."""

from __future__ import annotations

import pytest

from include.online_store.open import open_online
from include.online_store.store import OnlineStore
from tests.contract.online_rows import DAY, HOUR, PLANE, ROUTE, routes
from tests.support.online_stores import lose


def test_an_epoch_lasts_as_long_as_the_rows_and_is_another_once_they_were_lost(url: str) -> None:
    store = open_online(url)
    row = routes(("JFK", "LAX", DAY, 0.5, None, None))
    assert (store.epochs("m", [ROUTE, PLANE]), store.holds("m", [ROUTE, PLANE])) == (["", ""], [False, False])
    store.write_back("m", ROUTE, row, DAY)
    (first, none) = store.epochs("m", [ROUTE, PLANE])
    assert (len(first), none, store.holds("m", [ROUTE, PLANE])) == (16, "", [True, False])
    store.write_back("m", ROUTE, routes(("JFK", "LAX", DAY + HOUR, 0.6, None, None)), DAY)
    assert open_online(url).epochs("m", [ROUTE]) == [first]
    lose(url)
    assert (store.epochs("m", [ROUTE]), store.holds("m", [ROUTE])) == ([""], [False])
    store.write("m", ROUTE, row, DAY)  # a push
    assert (store.epochs("m", [ROUTE]), store.holds("m", [ROUTE])) == ([""], [True])
    store.write_back("m", ROUTE, row, DAY)
    assert store.epochs("m", [ROUTE])[0] not in ("", first)


def test_of_two_that_name_an_epoch_at_once_the_first_stands(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_online(url)
    row = routes(("JFK", "LAX", DAY, 0.5, None, None))
    real = type(store).get
    seen: list[str] = []

    def both(self: OnlineStore, keys: list[str]) -> object:
        found = real(self, keys)  # type: ignore[attr-defined]
        if keys[0].endswith("!epoch") and not seen:
            seen.append("another begins in between")
            store.write_back("m", ROUTE, row, DAY)
            seen.extend(store.epochs("m", [ROUTE]))
        return found

    monkeypatch.setattr(type(store), "get", both)
    store.write_back("m", ROUTE, row, DAY)
    assert store.epochs("m", [ROUTE]) == seen[1:]


def test_marks_without_rows_are_an_empty_view(url: str) -> None:
    store = open_online(url)
    store.write_back("m", ROUTE, routes(("JFK", "LAX", DAY, 0.5, None, None)), DAY)
    lose(url, kept="!")
    assert (store.newest("m", [ROUTE]), store.holds("m", [ROUTE])) == ([DAY], [False])


def test_rows_that_are_not_there_are_counted_and_newer_ones_are_no_loss(url: str) -> None:
    store = open_online(url)
    rows = routes(*[("JFK", f"D{n}", DAY, 0.1, None, None) for n in range(1200)])
    assert store.lost("m", ROUTE, rows, DAY) == 1200
    store.write_back("m", ROUTE, rows, DAY)
    store.write("m", ROUTE, routes(("JFK", "D7", DAY + HOUR, 0.9, None, None)), DAY)
    assert store.lost("m", ROUTE, rows, DAY) == 0
    lose(url, kept="D7")
    assert store.lost("m", ROUTE, rows, DAY) == 1200 - len([n for n in range(1200) if "D7" in f"D{n}"])
    assert store.lost("m", ROUTE, routes(), DAY) == 0
