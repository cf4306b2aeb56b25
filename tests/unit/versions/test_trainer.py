"""Who triggered a training, as persons are compared with it."""

from __future__ import annotations

import pytest

from include.versions.trainer import names_of


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (None, set()), ("", set()), (" Tom ", {"tom"}), ("platform, Sue", {"platform", "sue", "platform, sue"}),
        ("Doe, John", {"doe", "john", "doe, john"}),  # a name with a comma in it is that one, too
    ],
)  # fmt: skip
def test_each_that_is_named_is_one_of_them(told: str | None, names: set[str]) -> None:
    assert names_of(told) == names
