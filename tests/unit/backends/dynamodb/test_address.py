from __future__ import annotations

import pytest

from include.backends.dynamodb.address import Address, address_of
from include.core.errors import SpecError
from tests.support.error_message import assert_says


def test_an_address_names_a_table_and_how_it_is_read() -> None:
    assert address_of("dynamodb://Slip_stream.online-1") == Address("Slip_stream.online-1", strong=False, create=False)
    assert address_of("dynamodb://online?reads=strong&create=yes") == Address("online", strong=True, create=True)
    assert address_of("dynamodb://online/?reads=eventual&create=no") == Address("online")
    assert str(Address("online", strong=True)) == "dynamodb://online"


@pytest.mark.parametrize("name", ["", "ab", "a" * 256, "on line", "on/line", "/online"])
def test_what_no_table_can_be_named_is_refused(name: str) -> None:
    with pytest.raises(SpecError) as refused:
        address_of(f"dynamodb://{name}")
    assert_says(refused.value, "no DynamoDB table", "dynamodb://slipstream-online")


@pytest.mark.parametrize("query", ["reads=sometimes", "region=eu-west-1", "create=", "create"])
def test_an_option_that_is_not_known_is_refused_by_name(query: str) -> None:
    with pytest.raises(SpecError) as refused:
        address_of(f"dynamodb://online?{query}")
    assert_says(refused.value, query.partition("=")[0], "reads=strong")


def test_a_login_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(SpecError) as refused:
        address_of("dynamodb://AKIA:s3cret@online")
    assert "s3cret" not in str(refused.value)
