"""The made-up bank: the same for a seed, a day by itself, and rare frauds whose kinds change."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.models.fraud.raw_days import REPORTED_AFTER, Bank, land, progress
from include.core.storage import LocalStorage

DAY = date(2024, 3, 9)
BANK = Bank(customers=400, terminals=600)


@cache
def reported(first: date, days: int, bank: Bank = Bank(customers=1_000, terminals=1_600)) -> pa.Table:  # noqa: B008 (it is frozen)
    """Payments with what became known of them."""
    tables = []
    for number in range(days):
        paid, told = bank.payments(first + timedelta(days=number)), bank.reports(first + timedelta(days=number) + REPORTED_AFTER)
        tables.append(paid.append_column("fraud", told["fraud"]))
    return pa.concat_tables(tables)


def test_a_day_is_the_same_for_a_seed_whatever_was_made_before_it() -> None:
    again = Bank(customers=400, terminals=600)
    again.payments(DAY - timedelta(days=3))
    assert again.payments(DAY).equals(BANK.payments(DAY))
    assert again.reports(DAY).equals(BANK.reports(DAY))
    assert not Bank(customers=400, terminals=600, seed=8).payments(DAY).equals(BANK.payments(DAY))


def test_a_report_is_about_a_payment_of_a_week_before_at_the_same_time_of_day() -> None:
    paid, told = BANK.payments(DAY), BANK.reports(DAY + REPORTED_AFTER)
    for name in ("transaction_id", "customer_id", "terminal_id"):
        assert told[name].equals(paid[name])
    later = told["reported_at"].to_numpy() - paid["paid_at"].to_numpy()
    assert set(later) == {np.timedelta64(7, "D")}


def test_payments_are_in_order_within_their_day_and_cost_something() -> None:
    paid = BANK.payments(DAY)
    times = paid["paid_at"].to_numpy()
    assert (np.diff(times) >= np.timedelta64(0)).all()
    assert times[0] >= np.datetime64(DAY)
    assert times[-1] < np.datetime64(DAY + timedelta(days=1))
    assert pc.min(paid["amount"]).as_py() >= 0
    assert len(set(paid["transaction_id"].to_pylist())) == paid.num_rows


def test_about_one_payment_in_two_hundred_is_a_fraud() -> None:
    frauds = reported(date(2024, 4, 1), 12)["fraud"].to_numpy()
    assert 0.0025 < frauds.mean() < 0.0085


def test_the_kinds_change_with_time() -> None:
    assert [progress(day) for day in (date(2023, 1, 1), date(2024, 3, 31), date(2030, 1, 1))] == [0.0, 0.5, 1.0]
    threshold = {}
    for first in (date(2024, 1, 1), date(2024, 7, 1)):
        rows = reported(first, 12)
        amounts = rows["amount"].to_numpy()[rows["fraud"].to_numpy() == 1]
        between = (amounts > 190) & (amounts < 225)
        threshold[first] = between.mean()
    assert threshold[date(2024, 1, 1)] < threshold[date(2024, 7, 1)]  # thieves of larger amounts stay lower and lower


def test_a_fraud_is_dearer_than_an_honest_payment() -> None:
    rows = reported(date(2024, 4, 1), 12)
    amount, fraud = rows["amount"].to_numpy(), rows["fraud"].to_numpy() == 1
    assert amount[fraud].mean() > 1.5 * amount[~fraud].mean()


def test_landing_again_changes_nothing_and_other_models_have_their_own_days(tmp_path: object) -> None:
    storage = LocalStorage(str(tmp_path))
    assert land(storage, DAY, DAY + timedelta(days=1), bank=BANK) == 4
    assert land(storage, DAY, DAY + timedelta(days=1), bank=BANK) == 0
    assert land(storage, DAY, DAY, "my_fraud", BANK) == 2
    assert storage.read(f"raw/my_fraud/payments/date={DAY}/part.parquet") == storage.read(
        f"raw/fraud/payments/date={DAY}/part.parquet"
    )
