from __future__ import annotations

import pytest

from include.core.cron import cron, daily
from include.core.errors import SpecError
from include.core.spec import Data, Monitoring, Training


@pytest.mark.parametrize(
    "value", ["0 0 * * *", "30 23 * * *", "0 2 * * 0-6", "0 2 * * sun-sat", "0 2 ? * *", "@daily", "@midnight"]
)
def test_once_in_every_day_is_a_days_schedule(value: str) -> None:
    assert daily(value) == value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("0 2 * * 2-6", r"every day.*day of the week"),
        ("0 2 * * MON-FRI", r"every day.*day of the week"),
        ("0 0 * * 1", r"every day.*day of the week"),
        ("0 0 * * 5#2", r"every day.*day of the week"),
        ("0 2 1 * *", r"every day.*day of the month"),
        ("0 2 */2 * *", r"every day.*day of the month"),
        ("0 2 L * *", r"every day.*day of the month"),
        ("0 2 * 1-6 *", r"every day.*\(month\)"),
        ("@weekly", r"every day"),
        ("0 */6 * * *", r"fires more often"),
        ("*/30 2 * * *", r"fires more often"),
        ("* 2 * * *", r"fires more often"),
        ("0 * * * *", r"fires more often"),
        ("@hourly", r"fires more often"),
    ],
)
def test_what_leaves_days_out_or_fires_twice_is_refused_for_days_and_right_for_the_rest(value: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        daily(value)
    assert cron(value) == value


NONE = [
    "every day",
    "",
    "0 25 * * *",
    "61 0 * * *",
    "0 0 * *",
    "0 0 0 * * *",
    "@once",
    "@reboot",
    "0 0 30 2 *",
    "0 0 * * FUN",
    "1 x",
]


@pytest.mark.parametrize("value", NONE)
def test_what_is_no_cron_is_refused_in_every_section_of_a_spec(value: str) -> None:
    for make in (
        lambda: Data(sources=("orders",), first="2013-01-01", schedule=value),
        lambda: Training(fit="m:fit", schedule=value),
        lambda: Monitoring(schedule=value),
    ):
        with pytest.raises(SpecError, match=r"schedule: must be a cron of five fields, such as '0 2 \* \* \*'"):
            make()
