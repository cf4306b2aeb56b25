"""The raw days: card payments of a made-up bank, the same for every run of a seed.

    python -m examples.models.fraud.raw_days 2024-01-01 2024-03-31

writes the days from the first to the last, both included, where the sources' files are expected. Your own source takes the
place of this file: it lands daily Parquet files `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet`, with the columns that
expectations.py declares.

The idea is the simulator of Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning for Credit Card Fraud
Detection: Practical Handbook" (2022), chapter 3: customers with a place and habits of spending, terminals with a place, and three
kinds of fraud. Ours differs: each day is made by itself, from the seed and its date; no kind is certain to be a fraud; and the
kinds change with time.

1. amounts over a threshold, which falls as the thieves learn what is let through;
2. terminals that were broken into: for four weeks some of their payments are made with copied cards. There are more and more;
3. stolen cards: for two weeks some of a customer's payments are a thief's, of larger amounts than the customer's own, and less
   and less so.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from include.core.settings import Settings
from include.core.storage import Storage
from include.core.time import days_between

MODEL = (__package__ or "").rpartition(".")[2]  # the folder's name
BEGIN = date(2024, 1, 1)  # the day from which on the kinds of fraud change
REPORTED_AFTER = timedelta(days=7)  # when the bank knows of each payment whether it was a fraud

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
SECONDS = 86_400
MICROSECOND = 1_000_000
NEAR = 5.0  # how far a customer goes to pay, on a map of 100 by 100

PEOPLE, SHOPS, PAYMENTS, BROKEN, STOLEN, THIEVES = range(6)  # what a stream of random numbers is for


@dataclass(frozen=True)
class Bank:
    """So many customers, who make two payments a day on average, and terminals. `seed`: another one is another bank."""

    customers: int = 5_000
    terminals: int = 8_000
    seed: int = 7

    def payments(self, day: date) -> pa.Table:
        """The payments of a day, as they were made: transaction_id, customer_id, terminal_id, paid_at, amount."""
        return _as_table(day, *self._day(day)[:4])

    def reports(self, day: date) -> pa.Table:
        """What becomes known on a day of the payments of a week before: transaction_id, customer_id, terminal_id, fraud,
        reported_at."""
        paid = day - REPORTED_AFTER
        customer, terminal, second, amount, fraud = self._day(paid)
        made = _as_table(paid, customer, terminal, second, amount)
        reported = pa.array(made["paid_at"].to_numpy() + np.timedelta64(REPORTED_AFTER))
        told = made.drop_columns(["paid_at", "amount"]).append_column("fraud", pa.array(fraud.astype(np.int64)))
        return told.append_column("reported_at", reported)

    # -- a day ---------------------------------------------------------------------------------------

    def _day(self, day: date) -> tuple[Numbers, Numbers, Floats, Floats, NDArray[np.bool_]]:
        """customer, terminal, second of the day, amount and fraud of each payment, in the order of their times."""
        chance = self._chance(PAYMENTS, day)
        customer = np.repeat(np.arange(self.customers), chance.poisson(self.people.payments))
        second = chance.normal(SECONDS / 2, 20_000, len(customer))
        awake = (second >= 0) & (second < SECONDS)
        customer, second = customer[awake], second[awake]
        amount = chance.normal(self.people.amount[customer], self.people.amount[customer] / 2)
        amount = np.where(amount < 0, chance.uniform(0, 2 * self.people.amount[customer]), amount)
        terminal = self._terminals(customer, chance.random(len(customer)))
        customer, terminal, second, amount, fraud = self._thieves(day, customer, terminal, second, amount)
        order = np.lexsort((customer, second))
        return customer[order], terminal[order], second[order], np.round(amount[order], 2), fraud[order]

    def _terminals(self, customer: Numbers, where: Floats) -> Numbers:
        """One of those near the customer, by a number from 0 to 1."""
        first, count = self.shops.first[customer], self.shops.count[customer]
        found: Numbers = self.shops.near[first + np.minimum((where * count).astype(np.int64), count - 1)]
        return found

    def _thieves(
        self, day: date, customer: Numbers, terminal: Numbers, second: Floats, amount: Floats
    ) -> tuple[Numbers, Numbers, Floats, Floats, NDArray[np.bool_]]:
        """Which of the payments are a thief's, and with what amounts."""
        chance, late = self._chance(THIEVES, day), progress(day)
        broken = np.isin(terminal, self._since(BROKEN, day, 28, self.terminals, (0.5 + 1.0 * late) * self.terminals / 8_000))
        stolen = np.isin(customer, self._since(STOLEN, day, 14, self.customers, 2.0 * self.customers / 5_000))
        luck = chance.random((3, len(customer)))
        copied = broken & (luck[1] < 0.6)
        taken = stolen & (luck[2] < 0.35)
        factor = chance.uniform(3.5 - 1.5 * late, 5.5 - 2.0 * late, len(customer))
        amount = np.where(taken, amount * factor, amount)
        large = (amount > 225 - 35 * late) & (luck[0] < 0.55)
        return customer, terminal, second, amount, copied | taken | large

    def _since(self, kind: int, day: date, days: int, of: int, a_day: float) -> Numbers:
        """Which were struck within the last `days` days; so many a day on average."""
        struck: list[Numbers] = []
        for before in range(days):
            chance = self._chance(kind, day - timedelta(days=before))
            struck.append(chance.integers(0, of, chance.poisson(a_day)))
        return np.concatenate(struck)

    # -- who there is --------------------------------------------------------------------------------

    @cached_property
    def people(self) -> People:
        chance = self._chance(PEOPLE)
        place = chance.uniform(0, 100, (self.customers, 2))
        return People(place, chance.uniform(5, 100, self.customers), chance.uniform(0, 4, self.customers))

    @cached_property
    def shops(self) -> Shops:
        place = self._chance(SHOPS).uniform(0, 100, (self.terminals, 2))
        near = [_near(place, home) for home in self.people.place]
        count = np.array([len(each) for each in near])
        return Shops(np.concatenate(near), np.cumsum(count) - count, count)

    def _chance(self, kind: int, day: date | None = None) -> np.random.Generator:
        return np.random.default_rng([self.seed, kind, day.toordinal() if day else 0])


@dataclass(frozen=True)
class People:
    """Customers by number: where they live, what a payment of theirs costs on average, and how many they make a day."""

    place: Floats
    amount: Floats
    payments: Floats


@dataclass(frozen=True)
class Shops:
    """The terminals near each customer: `count` of `near` from `first` on."""

    near: Numbers
    first: Numbers
    count: Numbers


def progress(day: date) -> float:
    """How far the kinds of fraud have changed: 0 at the beginning, 1 after half a year."""
    return min(max((day - BEGIN).days / 180, 0.0), 1.0)


def land(storage: Storage, first: date, last: date, model: str = MODEL, bank: Bank | None = None) -> int:
    """Write the days; returns how many files were new."""
    bank, written = bank or Bank(), 0
    for day in days_between(first, last):
        for source, table in (("payments", bank.payments(day)), ("reports", bank.reports(day))):
            path = f"raw/{model}/{source}/date={day}/part.parquet"
            data = _bytes(table)
            if not storage.exists(path) or storage.read(path) != data:
                storage.write(path, data)
                written += 1
    return written


def _near(places: Floats, home: Floats) -> Numbers:
    """The terminals that somebody pays at, the nearest one at least."""
    distance = np.hypot(*(places - home).T)
    found = np.flatnonzero(distance < NEAR)
    return found if len(found) else np.array([int(distance.argmin())])


def _as_table(day: date, customer: Numbers, terminal: Numbers, second: Floats, amount: Floats) -> pa.Table:
    at = np.datetime64(day, "us") + (second * MICROSECOND).astype("timedelta64[us]")
    return pa.table({
        "transaction_id": [f"{day}-{number}" for number in range(len(customer))],
        "customer_id": [f"c{number}" for number in customer],
        "terminal_id": [f"t{number}" for number in terminal],
        "paid_at": pa.array(at),
        "amount": pa.array(amount),
    })  # fmt: skip


def _bytes(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


def main(first: str, last: str) -> None:
    storage = Settings.from_env().storage()
    written = land(storage, date.fromisoformat(first), date.fromisoformat(last))
    print(f"landed {first} to {last} under {storage.uri(f'raw/{MODEL}')}: {written} files are new")


if __name__ == "__main__":
    main(*sys.argv[1:3])
